"""How far the spool was acknowledged. Losing this file costs duplicates, never records."""

from pathlib import Path
from typing import Final

import msgspec

from roundhouse_router.store.files import replace_file
from roundhouse_router.store.writer import Position

__all__ = ["Cursor", "load_cursor", "save_cursor"]

_NAME: Final = "cursor.json"


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Everything before it was stored by the stream that was created at `stream_created_at`."""

    segment: int = 0
    offset: int = 0
    stream_created_at: float = 0.0
    """0 until a stream was seen."""

    @property
    def position(self) -> Position:
        return Position(self.segment, self.offset)


def load_cursor(directory: Path) -> Cursor:
    """Return the saved cursor; the beginning when there is none or it cannot be read."""
    try:
        return msgspec.json.decode((directory / _NAME).read_bytes(), type=Cursor)
    except (FileNotFoundError, msgspec.DecodeError):
        return Cursor()


def save_cursor(directory: Path, cursor: Cursor) -> None:
    """Replace the cursor. Raises OSError."""
    replace_file(directory / _NAME, msgspec.json.encode(cursor), is_durable=False)
