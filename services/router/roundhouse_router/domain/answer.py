"""What the router reads of an answer that came whole, and the one member it may change."""

from typing import Final

import msgspec

from roundhouse_router.domain.members import joined, split
from roundhouse_router.domain.tokens import TokenCounts, Usage, from_usage

__all__ = ["read_answer"]


class _Answer(msgspec.Struct):
    model: str | None = None
    usage: Usage | None = None


_answer: Final = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes, requested: str) -> tuple[bytes, TokenCounts | None]:
    """Return the body with `model` as the client asked for it, and the tokens it reports, if any.

    A body that is not a JSON object in OpenAI's shape is returned as it is.
    """
    try:
        answer = _answer.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body, None
    counts = from_usage(answer.usage) if answer.usage is not None else None
    if answer.model is None or answer.model == requested:
        return body, counts
    members = {**split(body), "model": msgspec.json.encode(requested)}
    return joined(members), counts
