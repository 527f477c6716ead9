"""What the keys of a Roundhouse sign: one operator, one account for all services and nodes, and the server's own.

Nodes are users of a scoped signing key: the account says what any of them may do, with the user's name in place of
the node id. So whoever holds that key can make nodes and nothing else, and a release that changes the permissions
changes the account, not the nodes' credentials.
"""

from collections.abc import Mapping
from typing import Any

from roundhouse_common.contracts.base import Service, Stream
from roundhouse_common.contracts.generate.permissions import (
    NODE_ID,
    Permissions,
    permissions_of,
    reader_permissions,
)
from roundhouse_common.contracts.generate.subjects import token
from roundhouse_common.nats_auth.jwt import Claims

__all__ = [
    "CLAIMS_INBOX",
    "account_claims",
    "node_claims",
    "operator_claims",
    "publisher_claims",
    "reader_claims",
    "service_claims",
    "system_account_claims",
]

CLAIMS_INBOX = "_INBOX.claims"
"""Replies to the one who publishes accounts come below it."""
_VERSION = 2
_NAME = "roundhouse"
_NO_LIMIT = -1
_ANSWER_TTL_NS = 120 * 1_000_000_000
_USER_NAME = "{{name()}}"
"""The server puts the user's name in its place."""
_UNLIMITED_USER = {"subs": _NO_LIMIT, "data": _NO_LIMIT, "payload": _NO_LIMIT}
_UNLIMITED_ACCOUNT = {
    **_UNLIMITED_USER,
    "imports": _NO_LIMIT,
    "exports": _NO_LIMIT,
    "wildcards": True,
    "conn": _NO_LIMIT,
    "leaf": _NO_LIMIT,
}
_JETSTREAM = {"mem_storage": _NO_LIMIT, "disk_storage": _NO_LIMIT, "streams": _NO_LIMIT, "consumer": _NO_LIMIT}


def operator_claims(*, operator: str, signing_key: str, system_account: str) -> Claims:
    """Return the operator: whom the servers trust. Its signing key signs accounts in its place."""
    nats = {"signing_keys": [signing_key], "system_account": system_account}
    return _claims(operator, _NAME, "operator", nats)


def system_account_claims(*, account: str) -> Claims:
    """Return the account in which a server takes administrators' questions."""
    return _claims(account, f"{_NAME}-system", "account", {"limits": _UNLIMITED_ACCOUNT})


def account_claims(*, account: str, node_key: str, revoked: Mapping[str, int]) -> Claims:
    """Return the account of all services and nodes.

    `node_key` is the scoped signing key. `revoked` has public keys of users with a time: what was issued to them
    until then is refused, and the server ends their connections.
    """
    scope = {
        "kind": "user_scope",
        "key": node_key,
        "role": Service.NODE_AGENT.value,
        "template": {**_permissions(permissions_of(Service.NODE_AGENT, NODE_ID)), **_UNLIMITED_USER},
    }
    nats = {
        "limits": {**_UNLIMITED_ACCOUNT, **_JETSTREAM},
        "signing_keys": [scope],
        "revocations": dict(sorted(revoked.items())),
    }
    return _claims(account, _NAME, "account", nats)


def service_claims(service: Service, *, user: str) -> Claims:
    """Return a service's user; it is signed by the account itself."""
    return _claims(user, service.value, "user", {**_permissions(permissions_of(service)), **_UNLIMITED_USER})


def reader_claims(stream: Stream, name: str, *, user: str) -> Claims:
    """Return the user of a program outside that reads a stream; it is signed by the account itself."""
    permissions = _permissions(reader_permissions(stream, name))
    return _claims(user, f"reader-{name}", "user", {**permissions, **_UNLIMITED_USER})


def node_claims(*, node_id: str, user: str, account: str) -> Claims:
    """Return a node's user; it is signed by the scoped key, which says what it may. Raises ValueError for an id that
    cannot be part of a subject: it would widen what the node may do.
    """
    return _claims(user, token(node_id), "user", {"issuer_account": account})


def publisher_claims(*, user: str, account: str) -> Claims:
    """Return the user of the system account that may look up and update the one account, and nothing else."""
    subjects = ["$SYS.REQ.CLAIMS.UPDATE", f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"]
    nats = {"pub": {"allow": subjects}, "sub": {"allow": [f"{CLAIMS_INBOX}.>"]}, **_UNLIMITED_USER}
    return _claims(user, "account-publisher", "user", nats)


def _permissions(permissions: Permissions) -> dict[str, Any]:
    found: dict[str, Any] = {
        "pub": {"allow": _templates(permissions.publish)},
        "sub": {"allow": _templates(permissions.subscribe)},
    }
    if permissions.may_answer:
        found["resp"] = {"max": 1, "ttl": _ANSWER_TTL_NS}
    return found


def _templates(subjects: tuple[str, ...]) -> list[str]:
    return [subject.replace(NODE_ID, _USER_NAME) for subject in subjects]


def _claims(subject: str, name: str, kind: str, nats: Mapping[str, Any]) -> Claims:
    return {"sub": subject, "name": name, "nats": {**nats, "type": kind, "version": _VERSION}}
