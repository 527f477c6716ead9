"""What the router reads of a request body, and the few bytes it changes.

The body is decoded once, into its top-level members; their values stay the bytes that the client sent. A body in
which nothing needs to change is forwarded as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.defaults import NOTHING_ADDED
from roundhouse_router.domain.engines import Running
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.features import GENERATING
from roundhouse_router.domain.members import Members, joined, split

__all__ = ["ParsedRequest", "outgoing", "parse"]

_text: Final = msgspec.json.Decoder(str)
_flag: Final = msgspec.json.Decoder(bool | None)
_count: Final = msgspec.json.Decoder(int | None)
_object: Final = msgspec.json.Decoder(Members | None)
_TRUE: Final = b"true"
_NEW_LIMIT: Final = "max_completion_tokens"
_OLD_LIMIT: Final = "max_tokens"
_MAX_TOKENS: Final = (_NEW_LIMIT, _OLD_LIMIT)

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequest:
    """A body that can be routed."""

    model: str
    is_stream: bool
    wants_usage: bool
    """The client asked for the usage chunk itself."""
    max_tokens: int | None
    body: bytes
    members: Members


def parse(body: bytes, operation: Operation) -> ParsedRequest:
    """Return what the router needs of a body. Raises BadBody; everything else is for the engine to judge."""
    try:
        members = split(body)
    except RecursionError:
        raise BadBody("The body is nested too deeply.", code="invalid_json") from None
    except msgspec.ValidationError:
        raise BadBody("The body must be a JSON object.", code="invalid_json") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"The body is not valid JSON: {error}", code="invalid_json") from None
    if "model" not in members:
        raise BadBody("You must provide a model parameter.", param="model", code="missing_required_parameter")
    is_stream = operation in GENERATING and bool(_read(members, "stream", _flag, "a boolean"))
    options = _read(members, "stream_options", _object, "an object") if is_stream else None
    limits = [_read(members, name, _count, "an integer") for name in _MAX_TOKENS if name in members]
    return ParsedRequest(
        model=_read(members, "model", _text, "a string") or "",
        is_stream=is_stream,
        wants_usage=bool(options and _read(options, "include_usage", _flag, "a boolean", "stream_options.")),
        max_tokens=next((limit for limit in limits if limit is not None), None),
        body=body,
        members=members,
    )


def outgoing(
    request: ParsedRequest,
    *,
    served_model: str,
    running: Running | None,
    added: Mapping[str, bytes] = NOTHING_ADDED,
    old_limit_only: bool = False,
) -> bytes:
    """Return the body for the engine: its own name for the model, what the model's owner added, and for streams a
    request for usage. It is the client's own when nothing is to be changed, and joined once otherwise."""
    changed = dict(added)
    if old_limit_only and _NEW_LIMIT in request.members and _OLD_LIMIT not in request.members:
        changed[_OLD_LIMIT] = bytes(request.members[_NEW_LIMIT])
    if served_model != request.model:
        changed["model"] = msgspec.json.encode(served_model)
    if request.is_stream:
        if not request.wants_usage:
            options = _object.decode(request.members.get("stream_options", b"null"))
            changed["stream_options"] = joined({**(options or {}), "include_usage": _TRUE})
        if running is not None and running.parameter not in request.members:
            changed[running.parameter] = _TRUE
    if not changed:
        return request.body
    return joined({**request.members, **changed})


def _read(members: Members, name: str, decoder: "msgspec.json.Decoder[V]", wanted: str, parent: str = "") -> V | None:
    if name not in members:
        return None
    try:
        return decoder.decode(members[name])
    except (msgspec.DecodeError, UnicodeDecodeError):
        param = parent + name
        raise BadBody(f"Invalid type for '{param}': {wanted} is expected.", param=param, code="invalid_type") from None
