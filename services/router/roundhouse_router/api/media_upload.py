"""A form on its way through: the engine gets it while the client still sends, and another engine can get it again."""

import tempfile
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from roundhouse_router.dialects.media_multipart import FormReader

__all__ = ["Splice", "Upload"]

Splice = tuple[int, int, bytes]
"""Begin and end of the bytes to replace, and what by."""
_PIECE_BYTES: Final = 256 * 1024


class Upload:
    """What has come is kept: up to `memory_bytes` in memory, then in a file without a name, which goes with the last
    reference. Pieces are written as they come, at most the server's high-water mark at once."""

    def __init__(
        self, source: AsyncIterator[bytes], form: FormReader, *, memory_bytes: int, directory: Path | None = None
    ) -> None:
        self._source = source
        self.form = form
        place = None if directory is None else str(directory)
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(memory_bytes, dir=place)  # noqa: SIM115 - it outlives this call
        weakref.finalize(self, self._file.close)
        self._memory_bytes = memory_bytes
        self.size = 0
        self.is_complete = False

    @property
    def is_small(self) -> bool:
        """All of it is here, in memory."""
        return self.is_complete and self.size <= self._memory_bytes

    async def until_model(self) -> None:
        """Read until the model's name has passed, or to the end. Raises BadBody, BodyTooLarge, ClientLeft."""
        while self.form.model_span is None and await self._more():
            pass

    async def rest(self) -> None:
        """Read to the end. Raises as above."""
        while await self._more():
            pass

    def whole(self, splice: Splice | None) -> bytes:
        """Return a complete body."""
        self._file.seek(0)
        data = self._file.read()
        return data if splice is None else data[: splice[0]] + splice[2] + data[splice[1] :]

    async def chunks(self, splice: Splice | None) -> AsyncIterator[bytes]:
        """Yield the body from its beginning: what is here, then what comes. Raises as above."""
        at = 0
        if splice is not None:
            start, end, name = splice
            while at < start:
                piece = self._read(at, start - at)
                at += len(piece)
                yield piece
            yield name
            at = end
        while True:
            if at < self.size:
                piece = self._read(at, self.size - at)
                at += len(piece)
                yield piece
            elif not await self._more():
                return

    def _read(self, at: int, most: int) -> bytes:
        self._file.seek(at)
        return self._file.read(min(most, _PIECE_BYTES))

    async def _more(self) -> bool:
        """Wait for one piece; return whether there was one."""
        if self.is_complete:
            return False
        piece = await anext(self._source, None)
        if piece is None:
            self.form.finish()
            self.is_complete = True
            return False
        self.form.feed(piece)
        self._file.seek(self.size)
        self._file.write(piece)
        self.size += len(piece)
        return True
