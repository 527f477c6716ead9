"""Lines of a stream that hold usage: reading the figures, and moving them where OpenAI has them.

OpenAI sends usage only to who asks, in a chunk of its own after the one that says why the answer ended. Some engines
put it into that one, asked or not.
"""

from typing import Final

import msgspec

from roundhouse_router.domain.members import Members, joined, split
from roundhouse_router.domain.tokens import TokenCounts, Usage, completion_details, from_usage, prompt_details

__all__ = ["UsageLine", "alone", "read_usage", "with_usage", "without_usage"]

_PREFIX: Final = b"data:"
_HEAD: Final[tuple[str, ...]] = ("id", "object", "created", "model", "system_fingerprint")


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Usage | None = None


_chunk: Final = msgspec.json.Decoder(_Chunk)


class UsageLine:
    """What a line with usage says."""

    __slots__ = ("counts", "is_alone", "is_last")

    def __init__(self, counts: TokenCounts, is_alone: bool, is_last: bool) -> None:
        self.counts = counts
        self.is_alone = is_alone
        """The chunk holds nothing else."""
        self.is_last = is_last
        """The chunk also says why the answer ended."""


def read_usage(line: bytes) -> UsageLine | None:
    """Return what one line says of usage, or None."""
    if b'"usage"' not in line or not line.startswith(_PREFIX):
        return None
    try:
        chunk = _chunk.decode(line[len(_PREFIX) :])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if chunk.usage is None:
        return None
    is_last = False
    choices = chunk.choices or ()
    for choice in choices:
        if choice.finish_reason is not None:
            is_last = True
    return UsageLine(from_usage(chunk.usage), not choices, is_last)


def without_usage(line: bytes, model: str) -> bytes:
    """Return a line that `read_usage` has read without its usage, and with this model's name."""
    members = _members(line, model)
    del members["usage"]
    ending = line[len(line.rstrip()) :]
    return _PREFIX + b" " + joined(members) + ending


def alone(line: bytes, model: str) -> bytes:
    """Return the usage of a line that `read_usage` has read as an event of its own."""
    members = _members(line, model)
    event = {name: members[name] for name in _HEAD if name in members}
    event |= {"choices": b"[]", "usage": members["usage"]}
    return _PREFIX + b" " + joined(event) + b"\n\n"


def with_usage(line: bytes, counts: TokenCounts) -> bytes:
    """Return a line that `read_usage` has read with other figures."""
    told, said = counts.all_input, counts.all_output
    written = {"cache_write_tokens": counts.cache_write_tokens} if counts.cache_write_tokens else {}
    usage = {
        "prompt_tokens": told,
        "completion_tokens": said,
        "total_tokens": told + said,
        "prompt_tokens_details": {"cached_tokens": counts.cached_input_tokens, **written, **prompt_details(counts)},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning_tokens, **completion_details(counts)},
    }
    members = {**split(line[len(_PREFIX) :]), "usage": msgspec.json.encode(usage)}
    ending = line[len(line.rstrip()) :]
    return _PREFIX + b" " + joined(members) + ending


def _members(line: bytes, model: str) -> dict[str, msgspec.Raw | bytes]:
    members: Members = split(line[len(_PREFIX) :])
    return {**members, **({"model": msgspec.json.encode(model)} if "model" in members else {})}
