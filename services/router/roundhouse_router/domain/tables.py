"""Who may call what, and where it leads: one immutable table, swapped whole."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.client_address import Network, networks, parse_address
from roundhouse_common.contracts.identity import RequestLogPolicy, TenantRecord
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitRecord, ProviderRecord
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.errors import InvalidKey, PermissionDenied
from roundhouse_router.domain.route_table import RouteTable, by_name

__all__ = [
    "EMPTY",
    "RoutingTable",
    "authenticate",
    "authenticate_secret",
    "by_digest",
    "by_name",
    "check_address",
    "in_force",
    "latest",
    "request_logs",
    "usable_providers",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """Everything a request needs, as it was at one moment."""

    keys: Mapping[str, ApiKeyRecord] = field(default_factory=dict)
    """By hex SHA-256 of the secret: during a rotation a key is there twice, and that of its previous secret ends when
    the overlap does."""
    routes: RouteTable = field(default_factory=lambda: RouteTable({}))
    """By tenant and name, without the deleted ones."""
    providers: Mapping[str, ProviderRecord] = field(default_factory=dict)
    """By provider id, without the deleted ones."""
    limits: tuple[LimitRecord, ...] = ()
    """Without the deleted ones, by id. The same object until one changes."""
    deployments: Mapping[str, DeploymentEndpoints] = field(default_factory=dict)
    """By deployment id."""
    request_logs: Mapping[str, RequestLogPolicy] = field(default_factory=dict)
    """By tenant id: of those whose requests are logged."""
    is_known: bool = False
    """False until the control plane, or a snapshot of it on disk, was read once."""


EMPTY = RoutingTable()
_LONG_AGO: Final = 1.0
"""For a time that has passed: 0 would mean never."""


def by_digest(keys: Iterable[ApiKeyRecord]) -> Mapping[str, ApiKeyRecord]:
    """Return the keys as a table wants them."""
    found: dict[str, ApiKeyRecord] = {}
    for key in keys:
        found[key.sha256] = key
        if key.previous_sha256:
            until = min(key.previous_until, key.expires_at) if key.expires_at else key.previous_until
            changes = {"sha256": key.previous_sha256, "expires_at": until or _LONG_AGO}
            found.setdefault(key.previous_sha256, msgspec.structs.replace(key, **changes))
    return MappingProxyType(found)


def usable_providers(providers: Iterable[ProviderRecord]) -> Mapping[str, ProviderRecord]:
    """Return the live providers as a table wants them."""
    return MappingProxyType({provider.provider_id: provider for provider in providers if not provider.is_deleted})


def request_logs(tenants: Iterable[TenantRecord]) -> Mapping[str, RequestLogPolicy]:
    """Return the policies of tenants whose requests are logged."""
    return MappingProxyType(
        {one.tenant_id: one.request_log for one in tenants if one.request_log.is_on and not one.is_deleted}
    )


def in_force(limits: Iterable[LimitRecord]) -> tuple[LimitRecord, ...]:
    """Return the live limits as a table wants them."""
    return tuple(sorted((limit for limit in limits if not limit.is_deleted), key=lambda limit: limit.limit_id))


def latest(
    known: Mapping[str, DeploymentEndpoints], heard: Mapping[str, DeploymentEndpoints]
) -> dict[str, DeploymentEndpoints]:
    """Return what is known with what was heard put over it, unless that is older than what is known.

    A deployment that was not heard of stays: absence is never an order.
    """
    merged = dict(known)
    for deployment_id, deployment in heard.items():
        before = merged.get(deployment_id)
        if before is None or deployment.revision >= before.revision:
            merged[deployment_id] = deployment
    return merged


def authenticate(table: RoutingTable, authorization: bytes, now: UnixTime) -> ApiKeyRecord:
    """Return the key that an `Authorization` header carries. Raises InvalidKey, which never repeats the secret, and
    PermissionDenied.

    Depends on the table's keys and the header; and on the time, but only until the key's `expires_at`, which for the
    previous secret of a rotation is the end of the overlap. Where the request comes from is for `check_address`.
    """
    if authorization[:7] == b"Bearer ":
        return authenticate_secret(table, authorization[7:].strip(), now)
    scheme, _, secret = authorization.partition(b" ")
    return authenticate_secret(table, secret.strip() if scheme.lower() == b"bearer" else b"", now)


def authenticate_secret(table: RoutingTable, secret: bytes, now: UnixTime) -> ApiKeyRecord:
    """Return the key of a secret, wherever a request carries it. Raises and depends on the same as `authenticate`."""
    if not secret:
        raise InvalidKey("No API key was given. Send it in the header `Authorization: Bearer YOUR_KEY`.")
    digest = hashlib.sha256(secret).hexdigest()
    key = table.keys.get(digest)
    # The lookup leaks at most bits of a digest, which nobody can turn into a secret; the comparison leaks nothing.
    if key is None or not hmac.compare_digest(key.sha256, digest):
        raise InvalidKey("The API key is not valid.")
    if key.is_revoked:
        raise InvalidKey("The API key was revoked.")
    if key.expires_at and key.expires_at <= now:
        raise InvalidKey("The API key has expired.")
    if key.is_blocked:
        raise PermissionDenied("The API key is blocked for now: its tenant is suspended, or its user has no access.")
    return key


def check_address(key: ApiKeyRecord, address: str) -> None:
    """Raise PermissionDenied when a key may not be used from an address.

    Depends on the address, which is another one with each request: never keep the outcome for a key that has
    `ip_ranges`. A key without them may come from anywhere, and nothing need be asked.
    """
    if not key.ip_ranges:
        return
    came_from = parse_address(address)
    if came_from is None or not any(came_from in network for network in _networks(key.ip_ranges)):
        raise PermissionDenied(f"The API key may not be used from the address {address or 'of this request'}.")


@lru_cache(maxsize=10_000)
def _networks(ranges: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks of a key; what cannot be read is none, so that it lets nobody in."""
    try:
        return networks(ranges)
    except ValueError:
        return ()
