"""How many tokens a request may use, before any tokenizer has seen it."""

from typing import Final

from roundhouse_common.contracts.usage import Operation

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
    size, media = len(body), 0
    if size > _MEDIA_AT_LEAST:
        for text in body.split(b'"'):
            # Base64 has none of these; text of this length has spaces, or is no ASCII, or is escaped.
            if len(text) > _MEDIA_AT_LEAST and b" " not in text and b"\\" not in text and text.isascii():
                size -= len(text)
                media += 1
    return size // _BYTES_PER_TOKEN + 1 + media * _TOKENS_PER_MEDIUM


def most_output(operation: Operation, max_tokens: int | None, choices: int) -> int | None:
    """Return the most tokens that the answers may have; None: the request does not say."""
    if operation in _WITHOUT_OUTPUT:
        return 0
    return None if max_tokens is None else max(0, max_tokens) * max(1, choices)
