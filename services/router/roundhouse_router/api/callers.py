"""Who is calling: the key that a request carries, if it may come from where it does."""

from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.runtime import UnixTime
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.tables import authenticate, authenticate_secret, check_address
from roundhouse_router.wire.exchange import Exchange

__all__ = ["caller_of"]


def caller_of(control_plane: ControlPlane, exchange: Exchange, now: UnixTime) -> ApiKeyRecord:
    """Return the caller's key, from `Authorization: Bearer` or Anthropic's `x-api-key`.

    Raises InvalidKey and PermissionDenied. The address counts only for a key that has `ip_ranges`.
    """
    table, headers = control_plane.table, exchange.headers
    authorization = headers.get(b"authorization")
    if authorization is None and b"x-api-key" in headers:
        key = authenticate_secret(table, headers[b"x-api-key"].strip(), now)
    else:
        key = authenticate(table, authorization or b"", now)
    if key.ip_ranges:
        check_address(key, control_plane.proxies.client_of(exchange.client, headers))
    return key
