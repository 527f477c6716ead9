"""Who may call what, and where it leads: one immutable table, swapped whole."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from roundhouse_common.contracts.routing import ApiKeyRecord, LimitRecord, ProviderRecord
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.errors import InvalidKey
from roundhouse_router.domain.route_table import RouteTable, by_name

__all__ = [
    "EMPTY",
    "RoutingTable",
    "authenticate",
    "authenticate_secret",
    "by_digest",
    "by_name",
    "in_force",
    "latest",
    "usable_providers",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """Everything a request needs, as it was at one moment."""

    keys: Mapping[str, ApiKeyRecord] = field(default_factory=dict)
    """By hex SHA-256 of the secret."""
    routes: RouteTable = field(default_factory=lambda: RouteTable({}))
    """By tenant and name, without the deleted ones."""
    providers: Mapping[str, ProviderRecord] = field(default_factory=dict)
    """By provider id, without the deleted ones."""
    limits: tuple[LimitRecord, ...] = ()
    """Without the deleted ones, by id. The same object until one changes."""
    deployments: Mapping[str, DeploymentEndpoints] = field(default_factory=dict)
    """By deployment id."""
    is_known: bool = False
    """False until the control plane, or a snapshot of it on disk, was read once."""


EMPTY = RoutingTable()


def by_digest(keys: Iterable[ApiKeyRecord]) -> Mapping[str, ApiKeyRecord]:
    """Return the keys as a table wants them."""
    return MappingProxyType({key.sha256: key for key in keys})


def usable_providers(providers: Iterable[ProviderRecord]) -> Mapping[str, ProviderRecord]:
    """Return the live providers as a table wants them."""
    return MappingProxyType({provider.provider_id: provider for provider in providers if not provider.is_deleted})


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
    """Return the key that an `Authorization` header carries. Raises InvalidKey, which never repeats the secret."""
    if authorization[:7] == b"Bearer ":
        return authenticate_secret(table, authorization[7:].strip(), now)
    scheme, _, secret = authorization.partition(b" ")
    return authenticate_secret(table, secret.strip() if scheme.lower() == b"bearer" else b"", now)


def authenticate_secret(table: RoutingTable, secret: bytes, now: UnixTime) -> ApiKeyRecord:
    """Return the key of a secret, wherever a request carries it. Raises InvalidKey, which never repeats the secret."""
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
    return key
