"""The bytes of uploads: `<root>/<upload id>/<number>.part` while they come, `<number>.whole` once verified.

What is on the disk says how far a file is: a `.whole` was compared with its SHA-256 before it got that name. Several
catalogs may share one root: a file is written by one request at a time, which holds a lock on it.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from roundhouse_catalog.domain.errors import DiskFull, UploadBusy, UploadDamaged, UploadMoved
from roundhouse_catalog.domain.uploads import Upload, UploadFile, header_fault

__all__ = ["UploadDisk", "Writer"]

T = TypeVar("T")
P = ParamSpec("P")

_THREADS: Final = 4
_BUFFER_BYTES: Final = 1024 * 1024
_SLICE_BYTES: Final = 4 * 1024 * 1024
_HEAD_BYTES: Final = 64


class UploadDisk:
    """Reads and writes in threads of its own, so that no disk holds up the loop."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads")
        self._is_closing = threading.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Make the directory; end the threads when the block ends."""
        await self._run(partial(self._root.mkdir, mode=0o700, parents=True, exist_ok=True))
        try:
            yield
        finally:
            self._is_closing.set()
            self._pool.shutdown(wait=True, cancel_futures=True)

    async def free_bytes(self) -> int:
        """Return what is free on the file system of the uploads."""
        return (await self._run(shutil.disk_usage, self._root)).free

    async def offsets(self, upload: Upload) -> dict[str, int]:
        """Return for every file how many bytes are there; a whole file has its size, one that is not verified too."""
        return await self._run(lambda: {file.path: self._offset(upload, file) for file in upload.files})

    async def whole(self, upload: Upload) -> frozenset[str]:
        """Return the paths of the files that are whole and verified."""
        return await self._run(
            lambda: frozenset(file.path for file in upload.files if self.path_of(upload, file).is_file())
        )

    def path_of(self, upload: Upload, file: UploadFile) -> Path:
        """Return where the file is once it is whole."""
        return self._root / upload.upload_id / f"{file.number:04d}.whole"

    @asynccontextmanager
    async def writing(self, upload: Upload, file: UploadFile, at: int) -> AsyncIterator["Writer"]:
        """Give a writer that goes on at this byte; from 0 it begins anew. What it was given stays, whatever happens.

        Raises UploadBusy while another request writes the file, and UploadMoved when the file ends elsewhere.
        """
        writer = Writer(partial(self._open, upload, file, at), at, self._run)
        try:
            await writer.open()
            yield writer
            await writer.flush()
            await self._run(writer.close)
        except BaseException:
            # Not awaited: a request that was cancelled must not wait, nor close it under a thread that still writes.
            writer.close() if self._is_closing.is_set() else self._pool.submit(writer.close)
            raise

    async def verify(self, upload: Upload, file: UploadFile) -> None:
        """Give a file that has all its bytes its final name. Raises UploadDamaged, and drops it, when it differs."""
        try:
            await self._run(self._verify, upload, file)
        except FileNotFoundError:
            raise UploadBusy(f"{file.path} was deleted or begun anew meanwhile") from None

    async def remove(self, upload_id: str) -> None:
        """Delete everything of the upload. Safe to repeat."""
        await self._run(partial(shutil.rmtree, self._root / upload_id, ignore_errors=True))

    async def written_at(self, upload_id: str) -> float:
        """Return when the upload's directory or a file in it was last written; 0 when there is none."""
        return await self._run(self._written_at, upload_id)

    async def directories(self) -> frozenset[str]:
        """Return the ids of the uploads that have a directory."""
        return await self._run(lambda: frozenset(entry.name for entry in self._root.glob("upl_*")))

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(_told, call, *args, **kwargs))

    def _part(self, upload: Upload, file: UploadFile) -> Path:
        return self._root / upload.upload_id / f"{file.number:04d}.part"

    def _offset(self, upload: Upload, file: UploadFile) -> int:
        if self.path_of(upload, file).is_file():
            return file.size
        try:
            return self._part(upload, file).stat().st_size
        except FileNotFoundError:
            return 0

    def _open(self, upload: Upload, file: UploadFile, at: int) -> int:
        path = self._part(upload, file)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            _lock(descriptor, file)
            if at == 0:
                os.ftruncate(descriptor, 0)
            stored = os.fstat(descriptor).st_size
            if stored != at:
                raise UploadMoved(file.path, at=at, stored=stored)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _verify(self, upload: Upload, file: UploadFile) -> None:
        part = self._part(upload, file)
        with _opened(part) as descriptor:
            _lock(descriptor, file)
            head = os.pread(descriptor, _HEAD_BYTES, 0)
            found = self._digest(descriptor)
            fault = header_fault(file.path, head, file.size)
            if found != file.sha256:
                fault = f"the SHA-256 of {file.path} is {found}; {file.sha256} was announced"
            if fault is not None:
                part.unlink()
                raise UploadDamaged(fault)
            os.fsync(descriptor)
            part.rename(self.path_of(upload, file))
        with _opened(part.parent) as directory:
            os.fsync(directory)

    def _digest(self, descriptor: int) -> str:
        digest = hashlib.sha256()
        at = 0
        while data := os.pread(descriptor, _SLICE_BYTES, at):
            if self._is_closing.is_set():
                raise UploadBusy("it is verified, and the catalog is stopping")
            digest.update(data)
            at += len(data)
        return digest.hexdigest()

    def _written_at(self, upload_id: str) -> float:
        directory = self._root / upload_id
        try:
            return max(entry.stat().st_mtime for entry in (directory, *directory.iterdir()))
        except FileNotFoundError:
            return 0.0


class Writer:
    """Appends to one file, a mebibyte at a time."""

    def __init__(self, opened: Callable[[], int], at: int, run: Callable[..., Awaitable[None]]) -> None:
        self.offset = at
        """Bytes of the file that were given so far."""
        self._opened = opened
        self._descriptor: int | None = None
        self._is_closed = False
        self._run = run
        self._buffer = bytearray()
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Open the file and take its lock."""
        await self._run(self._open)

    async def write(self, data: bytes) -> None:
        """Take the bytes. Raises DiskFull."""
        self._buffer += data
        self.offset += len(data)
        if len(self._buffer) >= _BUFFER_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write what was taken."""
        if self._buffer:
            data, self._buffer = bytes(self._buffer), bytearray()
            await self._run(self._write, data, self.offset - len(data))

    def close(self) -> None:
        """Close the file, which gives up its lock. Waits for what another thread does with it. Safe to repeat."""
        with self._lock:
            self._is_closed = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _open(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._descriptor = self._opened()

    def _write(self, data: bytes, at: int) -> None:
        with self._lock:
            view = memoryview(data)
            while view and self._descriptor is not None:
                written = os.pwrite(self._descriptor, view, at)
                view, at = view[written:], at + written


def _told(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call it; say that the disk is full in our own words."""
    try:
        return call(*args, **kwargs)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull("the disk of the uploads is full") from error
        raise


def _lock(descriptor: int, file: UploadFile) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadBusy(f"another request writes {file.path}") from None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
