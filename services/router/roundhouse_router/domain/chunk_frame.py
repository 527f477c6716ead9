"""What the chunks of one stream have in common: one that differs from an earlier one by its text alone needs no second
search for what is looked for in chunks."""

from typing import Final

__all__ = ["CONTENT", "ChunkFrame"]

CONTENT: Final = b'"content":"'
_TRIES: Final = 4
"""A stream whose chunks differ by more is not looked at for ever."""
_LEAST: Final = len(b"error")
"""A shorter text is none of the words."""


class ChunkFrame:
    """One stream's. Knows of chunks with one piece of text, `"content":"…"`, what is before and behind it."""

    __slots__ = ("_after", "_before", "_size", "_tries")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._size = 0
        """Of both; 0: nothing is known yet."""
        self._tries = _TRIES

    def learn(self, chunk: bytes) -> None:
        """Take in a chunk that ends with a line and holds neither `"usage"` nor `error` nor `[DONE]`."""
        if not self._tries:
            return
        self._tries -= 1
        at = chunk.find(CONTENT) + len(CONTENT)
        end = chunk.find(b'"', at)
        if at < len(CONTENT) or end <= at or chunk.find(CONTENT, at) >= 0 or chunk.startswith(b'":"', end):
            return
        self._before, self._after = chunk[:at], chunk[end:]
        self._size = len(chunk) - (end - at)

    def fits(self, chunk: bytes) -> bool:
        """Whether a chunk is like the one that was learned, with some other text: it ends with a line, holds one piece
        of text, and none of what that one did not hold.

        The text is between two quotes and holds none, so of the words it can only be `usage` with them, or hold the
        others as a whole.
        """
        size = len(chunk) - self._size
        if not self._size or size <= 0 or not chunk.startswith(self._before) or not chunk.endswith(self._after):
            return False
        at = len(self._before)
        text = chunk[at : at + size]
        if text.find(b'"') >= 0:  # `in` would make an exception first, and drop it: twice the time for bytes
            return False
        return size < _LEAST or (text != b"usage" and text.find(b"error") < 0 and text.find(b"[DONE]") < 0)
