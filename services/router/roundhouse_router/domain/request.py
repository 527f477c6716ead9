"""What the router reads of a request body, and the few bytes it changes.

Only the members that routing needs are decoded; the others stay the bytes that the client sent. A body in which nothing
needs to change is forwarded as it came; its members are told apart only when something must be put in.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.cache_salts import scoped
from roundhouse_router.domain.defaults import NOTHING_ADDED
from roundhouse_router.domain.engines import Running
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.features import GENERATING
from roundhouse_router.domain.members import Members, joined, split

__all__ = ["MediaFigures", "ParsedRequest", "outgoing", "parse"]

_text: Final = msgspec.json.Decoder(str)
_flag: Final = msgspec.json.Decoder(bool | None)
_count: Final = msgspec.json.Decoder(int | None)
_object: Final = msgspec.json.Decoder(Members | None)
_TRUE: Final = b"true"
_WITH_USAGE: Final = b'{"stream_options":{"include_usage":true},'
_SALT: Final = "cache_salt"
_SALT_BYTES: Final = _SALT.encode()
_NEW_LIMIT: Final = "max_completion_tokens"
_OLD_LIMIT: Final = "max_tokens"
_MAX_TOKENS: Final = (_NEW_LIMIT, _OLD_LIMIT)

_ABSENT: Final = msgspec.Raw()

_PROMPTS: Final = ("messages", "prompt", "input")

V = TypeVar("V")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Head(msgspec.Struct):
    """The members that routing needs."""

    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    cache_salt: msgspec.Raw = _ABSENT
    user: Any = None  # a caller may put anything there, which is for the engine to judge
    n: Any = None  # as above


_head: Final = msgspec.json.Decoder(_Head)
_members_of: Final = msgspec.structs.astuple
"""All at once, in the order of `_Head`."""


class MediaFigures(msgspec.Struct):
    """What is counted of images and sound besides tokens."""

    audio_ms: int = 0
    images: int = 0
    input_characters: int = 0


class ParsedRequest:
    """A body that can be routed."""

    __slots__ = (
        "_members",
        "body",
        "choices",
        "figures",
        "has_salt",
        "has_stream_options",
        "is_stream",
        "max_tokens",
        "model",
        "user",
        "wants_usage",
    )

    def __init__(
        self,
        model: str,
        is_stream: bool,
        wants_usage: bool,
        max_tokens: int | None,
        body: bytes,
        members: Members | None = None,
        user: str = "",
        choices: int = 1,
        has_stream_options: bool = False,
        has_salt: bool | None = None,
    ) -> None:
        self.model = model
        self.is_stream = is_stream
        self.wants_usage = wants_usage
        """The client asked for the usage chunk itself."""
        self.max_tokens = max_tokens
        """The most tokens of one answer, where the client said so."""
        self.body = body
        self.user = user
        """Whom the client says it asks for."""
        self.choices = choices
        """How many answers are asked for."""
        self.has_stream_options = has_stream_options
        self.has_salt = has_salt
        """Whether it has a `cache_salt`; None: nobody has looked."""
        self.figures: MediaFigures | None = None
        """Of a request for images or sound; complete when its answer is."""
        self._members = members

    @property
    def members(self) -> Members:
        """The top-level members, their values as bytes."""
        if self._members is None:
            self._members = split(self.body)
        return self._members

    def prompt(self) -> bytes:
        """Return what engines cache of it, from its beginning."""
        return next((bytes(self.members[name]) for name in _PROMPTS if name in self.members), b"")


def parse(body: bytes, operation: Operation) -> ParsedRequest:
    """Return what the router needs of a body. Raises BadBody; everything else is for the engine to judge."""
    try:
        model, stream, options, new_limit, old_limit, salt, user, choices = _members_of(_head.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parse_strictly(body, operation)
    is_stream = bool(stream) and operation in GENERATING
    if not is_stream:
        options = None
    return ParsedRequest(
        model,
        is_stream,
        options is not None and bool(options.include_usage),
        old_limit if new_limit is None else new_limit,
        body,
        None,
        user if type(user) is str else "",
        choices if type(choices) is int and choices > 0 else 1,
        options is not None,
        salt is not _ABSENT,
    )


def _parse_strictly(body: bytes, operation: Operation) -> ParsedRequest:
    """Say what is wrong with a body, or accept it: members that do not matter here may be of any type."""
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
        has_stream_options=options is not None,
        has_salt=_SALT in members,
    )


def outgoing(
    request: ParsedRequest,
    served_model: str,
    running: Running | None,
    added: Mapping[str, bytes] = NOTHING_ADDED,
    old_limit_only: bool = False,
    salt: bytes = b"",
) -> bytes:
    """Return the body for the engine: its own name for the model, what the model's owner added, for streams a request
    for usage, and the tenant's salt. It is the client's own when nothing is to be changed, else joined once."""
    is_usage_added = request.is_stream and not request.wants_usage
    is_same_model = served_model == request.model
    if is_same_model and not (request.is_stream or salt or added or old_limit_only):
        return request.body
    if is_same_model and not added and not old_limit_only and (running is None or not request.is_stream):
        body = _put_around(request, is_usage_added, salt)
        if body is not None:
            return body
    changed = dict(added)
    if salt:
        changed[_SALT] = b'"%b"' % scoped(salt, bytes(request.members.get(_SALT, b"null")))
    if old_limit_only and _NEW_LIMIT in request.members and _OLD_LIMIT not in request.members:
        changed[_OLD_LIMIT] = bytes(request.members[_NEW_LIMIT])
    if not is_same_model:
        changed["model"] = msgspec.json.encode(served_model)
    if request.is_stream:
        if is_usage_added:
            options = _object.decode(request.members.get("stream_options", b"null"))
            changed["stream_options"] = joined({**(options or {}), "include_usage": _TRUE})
        if running is not None and running.parameter not in request.members:
            changed[running.parameter] = _TRUE
    if not changed:
        return request.body
    return joined({**request.members, **changed})


def _put_around(request: ParsedRequest, is_usage_added: bool, salt: bytes) -> bytes | None:
    """Return the body with what is new before its first member and behind its last one, so that nothing is taken apart;
    None if it has something of the kind itself. An object has a member here, `model`.

    The salt goes last: of two members of one name, one of them written with escapes, engines take the last one.
    """
    body = request.body
    start, end = 0, len(body)
    before = behind = b""
    if is_usage_added:
        if request.has_stream_options or b'"stream_options"' in body:
            return None
        before, start = _WITH_USAGE, body.index(b"{") + 1
    if salt:
        if _SALT_BYTES in body if request.has_salt is None else request.has_salt:
            return None
        behind, end = b',"cache_salt":"%b"}' % salt, body.rindex(b"}")
    return b"".join((before, memoryview(body)[start:end], behind)) if before or behind else body


def _read(members: Members, name: str, decoder: "msgspec.json.Decoder[V]", wanted: str, parent: str = "") -> V | None:
    if name not in members:
        return None
    try:
        return decoder.decode(members[name])
    except (msgspec.DecodeError, UnicodeDecodeError):
        param = parent + name
        raise BadBody(f"Invalid type for '{param}': {wanted} is expected.", param=param, code="invalid_type") from None
