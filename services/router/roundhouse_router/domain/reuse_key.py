"""When two requests are equal, so that one answer is right for both: a digest of everything that can change it.

The members of a body count in any order, and numbers however they are spelled (`1` and `1.0`). Inside the values the
order counts: engines put a tool's schema into the prompt as it was written, and structured output follows the order of
its schema. What is unsure is told apart: that costs a miss, where the opposite would give a wrong answer.
"""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from roundhouse_router.domain.request import ParsedRequest

__all__ = ["IGNORED", "IGNORED_BY_API", "ReuseKey", "canonical", "reuse_key", "tenant_part"]

ReuseKey = bytes
"""32 bytes, the first of them the tenant's: what is kept of one tenant can be found and forgotten."""

_TENANT_BYTES: Final = 8
_KEY_BYTES: Final = 32

IGNORED: Final = frozenset(
    {
        "metadata",
        "priority",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "user",
    }
)
"""Members that say who asks, how soon, or what is noted about the request. `stream` is a part of the key by itself."""
IGNORED_BY_API: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "openai.responses": frozenset(),  # its answers repeat the parameters of the request
        "anthropic.messages": frozenset({"metadata"}),
        "ollama.chat": frozenset({"keep_alive"}),
        "ollama.generate": frozenset({"keep_alive"}),
        "ollama.embed": frozenset({"keep_alive"}),
    }
)
"""The same for APIs in which these members mean something else."""

_FLAT: Final = frozenset({"logit_bias", "options", "stream_options"})
"""Members that are sets of parameters: their own members count in any order too."""
_LARGE_BYTES: Final = 4096
"""A larger value counts byte for byte: one client spells it the same each time, and reading it costs as much again as
the digest."""
_EXACT_INTEGER: Final = 2**53
_anything: Final = msgspec.json.Decoder()
_ordered: Final = msgspec.json.Encoder()
_sorted: Final = msgspec.json.Encoder(order="sorted")


def reuse_key(tenant_id: str, *, route_id: str, serving: Iterable[str], api: str, request: ParsedRequest) -> ReuseKey:
    """Return the key under which an answer to this request may be given to an equal one.

    `serving` names everything that may answer it, after the route's matching: active version ids of deployments, and
    `provider id/model`. A new version, or another set of targets, thus never gets an answer of the old ones.
    """
    digest = hashlib.sha256()
    _add(digest, tenant_id, route_id, api, "stream" if request.is_stream else "whole", *sorted(serving))
    members = request.members
    dropped = IGNORED_BY_API.get(api, IGNORED)
    if "store" in members and bytes(members["store"]) == b"true":
        dropped = frozenset()  # a provider keeps the answer together with what is noted about the request
    for name in sorted(members):
        if name in dropped or name == "stream" or (name == "stream_options" and not request.is_stream):
            continue
        _add(digest, name)
        _add(digest, canonical(members[name], is_flat=name in _FLAT))
    return (tenant_part(tenant_id) + digest.digest())[:_KEY_BYTES]


def tenant_part(tenant_id: str) -> bytes:
    """Return what all keys of a tenant begin with. The rest tells tenants apart as well."""
    return hashlib.sha256(tenant_id.encode("utf-8", "surrogatepass")).digest()[:_TENANT_BYTES]


def canonical(value: msgspec.Raw | bytes, *, is_flat: bool = False) -> bytes:
    """Return a spelling that equal values share: no spaces, one way to escape, numbers as short as they can be.

    Numbers inside lists and objects stay as they are, unless `is_flat`: a prompt may show them. So do large values.
    """
    raw = bytes(value)
    if len(raw) > _LARGE_BYTES:
        return b"r" + raw
    try:
        decoded = _anything.decode(raw)
        if isinstance(decoded, float):
            decoded = _number(decoded)
        elif is_flat and isinstance(decoded, dict):
            numbers = {name: _number(inner) if type(inner) is float else inner for name, inner in decoded.items()}
            return b"c" + _sorted.encode(numbers)
        return b"c" + _ordered.encode(decoded)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return b"r" + raw  # valid for the parser that skipped it: numbers out of range, deep nesting


def _number(value: float) -> Any:  # Any: int or float
    return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGER else value


def _add(digest: "hashlib._Hash", *parts: str | bytes) -> None:
    """Add parts with their lengths before them: no two lists of parts read the same."""
    digest.update(b"%d:" % len(parts))
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
