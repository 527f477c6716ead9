"""Where the headers of a model's files are read from: a directory of this node, or a source elsewhere."""

import os
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from roundhouse_common.sizing.readers import Unreadable

__all__ = ["FileTree", "LocalTree"]

_MOST_FILES: Final = 10_000


class FileTree(Protocol):
    """The files of one folder. Its methods raise Unreadable or OSError; the remote one SourceRefused too."""

    @property
    def what(self) -> str:
        """Its name, for people."""

    def names(self) -> Sequence[str]:
        """Return what is in it, sorted."""

    def size(self, name: str) -> int | None:
        """Return a file's size; None when it is not there."""

    def expect(self, names: Sequence[str]) -> None:
        """Say that the beginnings of these files will be read next."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file that is there, at its beginning."""


class LocalTree:
    """A directory of this node."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def what(self) -> str:
        return self._directory.name

    def names(self) -> Sequence[str]:
        return sorted(os.listdir(self._directory))[:_MOST_FILES]

    def size(self, name: str) -> int | None:
        try:
            found = (self._directory / name).stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device would block or never end
            raise Unreadable(f"{name} is no regular file")
        return found.st_size

    def expect(self, names: Sequence[str]) -> None:
        """The disk needs no warning."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return (self._directory / name).open("rb")
