"""What the chunks of one stream have in common: one that differs from an earlier one by its text alone needs no second
search for what is looked for in chunks."""

from typing import Final

__all__ = ["CONTENT", "ChunkFrame"]

CONTENT: Final = b'"content":"'
_TRIES: Final = 4
"""A stream whose chunks differ by more is not looked at for ever."""
_QUOTE: Final = 0x22
_LINE_FEED: Final = 0x0A


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
        """Take in a chunk that ends with a line and holds no usage, no `error` and no `[DONE]`."""
        if not self._tries:
            return
        self._tries -= 1
        at = chunk.find(CONTENT) + len(CONTENT)
        end = chunk.find(b'"', at)
        if at < len(CONTENT) or end <= at or chunk.find(CONTENT, at) >= 0 or chunk.startswith(b'":"', end):
            return
        self._before, self._after = chunk[:at], chunk[end:]
        self._size = len(chunk) - (end - at)

    def fits(self, data: bytes, begin: int, end: int) -> bool:
        """Whether the chunk `data[begin:end]` is like the one that was learned, with some other text: it ends with a
        line, holds one piece of text, and says nothing that the other did not say.

        The text is between two quotes and holds none, and no line ends in it: so it is no member's name, and no line
        begins in it, whatever words are there.
        """
        size = end - begin - self._size
        if not self._size or size <= 0:
            return False
        if not data.startswith(self._before, begin) or not data.endswith(self._after, begin, end):
            return False
        at = begin + len(self._before)
        text = data[at : at + size]
        return not (_QUOTE in text or _LINE_FEED in text)
