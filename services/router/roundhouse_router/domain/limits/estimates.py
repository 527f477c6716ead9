"""How many tokens a request may use, before any tokenizer has seen it."""

from typing import Final

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.tokens import MOST_TOKENS

__all__ = ["estimate_input", "most_output"]

_BYTES_PER_TOKEN: Final = 4
_MEDIA_AT_LEAST: Final = 4096
"""Bytes of a string that may be an image or sound in base64."""
_TOKENS_PER_MEDIUM: Final = 1000
_WITHOUT_OUTPUT: Final = frozenset(
    {
        Operation.EMBEDDING,
        Operation.RERANK,
        Operation.SCORE,
        Operation.IMAGE,
        Operation.SPEECH,
    }
)


def estimate_input(body: bytes) -> int:
    """Return the tokens of a JSON body, at least 1: one for 4 bytes, and 1000 for each image or sound inside it."""
    length = size = len(body)
    media = at = 0
    while (middle := at + _MEDIA_AT_LEAST) < length:  # what ends before that is too short: it is not looked at
        begin = body.rfind(b'"', at, middle) + 1 or at
        end = body.find(b'"', middle)
        if end < 0:
            end = length
        if end - begin > _MEDIA_AT_LEAST and _may_be_base64(body, begin, end):
            size -= end - begin
            media += 1
        at = end + 1
    return size // _BYTES_PER_TOKEN + 1 + media * _TOKENS_PER_MEDIUM


def _may_be_base64(body: bytes, begin: int, end: int) -> bool:
    """It has none of these; text of this length has spaces, or is no ASCII, or is escaped."""
    return body.find(b" ", begin, end) < 0 and body.find(b"\\", begin, end) < 0 and body[begin:end].isascii()


def most_output(operation: Operation, max_tokens: int | None, choices: int) -> int | None:
    """Return the most tokens that the answers may have; None: the request does not say. Engines take a negative number
    for no limit at all. More than any limit can hold counts as that much."""
    if operation in _WITHOUT_OUTPUT:
        return 0
    if max_tokens is None or max_tokens < 0:
        return None
    return min(max_tokens * max(1, choices), MOST_TOKENS)
