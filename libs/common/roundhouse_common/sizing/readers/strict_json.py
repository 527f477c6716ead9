"""JSON objects from untrusted files."""

import json
from typing import Any, Final

from roundhouse_common.sizing.readers.unreadable import Unreadable

__all__ = ["JsonObject", "parse_object"]

JsonObject = dict[str, Any]  # Any: whatever the file has; readers check each value they take
_SHOWN: Final = 60


def parse_object(text: bytes, *, what: str, most_bytes: int) -> JsonObject:
    """Return the object; NaN and Infinity may be in it, as Python tools write them into configurations.

    Raises Unreadable: too long, no JSON, no object, the same key twice, too deep."""
    if len(text) > most_bytes:
        raise Unreadable(f"{what} has {len(text)} bytes; at most {most_bytes} are read")
    try:
        # utf-8-sig: some tools write a byte order mark.
        found = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise Unreadable(f"{what} is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise Unreadable(f"{what} is nested too deeply") from error
    except Unreadable as error:
        raise Unreadable(f"{what}: {error}") from error
    except ValueError as error:
        raise Unreadable(f"{what} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unreadable(f"{what} is {type(found).__name__}, not an object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:  # Any: see JsonObject
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"key {twice[:_SHOWN]!r} is there twice")
    return found
