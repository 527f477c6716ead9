"""Paths that a source states are untrusted: what may be made of them on this disk, and what not."""

from collections.abc import Iterable
from typing import Final

from roundhouse_node_agent.transfers.errors import TransferFailed

__all__ = ["check_paths", "main_file"]

_MOST_PART_BYTES: Final = 255
"""What file systems take as one name."""
_MOST_PATH_BYTES: Final = 1024
_MOST_FILES: Final = 100_000


def check_paths(paths: Iterable[str]) -> None:
    """Raise TransferFailed unless all of them lie inside the model's directory, and none stands in another's way."""
    seen: set[str] = set()
    directories: set[str] = set()
    for path in paths:
        if (complaint := _complaint(path)) or (complaint := "is stated twice" if path in seen else ""):
            raise TransferFailed(f"the source states a file that is not taken: the path {path[:200]!r} {complaint}")
        seen.add(path)
        parts = path.split("/")
        directories.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if len(seen) > _MOST_FILES:
            raise TransferFailed(f"the source states more than {_MOST_FILES} files; state patterns to take fewer")
    if both := sorted(seen & directories):
        raise TransferFailed(f"the source states {both[0][:200]!r} as a file and as a directory")
    if not seen:
        raise TransferFailed("the source states no file at all")


def main_file(paths: Iterable[str]) -> str:
    """Return the file that engines take: GGUF, of a split one the first part; empty when they take the directory."""
    ordered = sorted(paths)
    if len(ordered) == 1:
        return ordered[0]
    names = (path for path in ordered if path.endswith(".gguf"))
    return next((path for path in names if not path.rpartition("/")[2].startswith("mmproj")), "")


def _complaint(path: str) -> str:
    """Return why a path is not taken; empty when it is."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "is not Unicode"
    parts = path.split("/")
    if not path or path.startswith("/") or "" in parts:
        return "is absolute, or has an empty part"
    if "." in parts or ".." in parts:
        return "has a part that is . or .."
    if "\\" in path or any(ord(sign) < 32 or ord(sign) == 127 for sign in path):
        return "has a backslash or a control character"
    if len(encoded) > _MOST_PATH_BYTES or any(len(part.encode()) > _MOST_PART_BYTES for part in parts):
        return f"is longer than {_MOST_PATH_BYTES} bytes, or a part of it than {_MOST_PART_BYTES}"
    return ""
