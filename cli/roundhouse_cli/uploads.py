"""Bringing files of this machine into the catalog, in pieces that go on where a broken connection ended."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from roundhouse_cli.errors import Failure, Refused, Unreachable
from roundhouse_cli.rest import Api, Item
from roundhouse_cli.steps import Steps
from roundhouse_cli.units import show_bytes
from roundhouse_common.runtime import Clock

__all__ = ["upload"]

_PIECE_BYTES = 1024 * 1024
_REQUEST_BYTES = 256 * 1024 * 1024
"""What one request brings at most: the answer to it tells that so much is safe."""
_ATTEMPTS = 5
_PAUSE_S = 1.0
_SKIPPED = (".git", ".cache", "__pycache__")


def upload(catalog: Api, path: Path, clock: Clock) -> str:
    """Return the id of a complete upload of a file or a directory. Raises Failure, Refused or Unreachable.

    The same files again go on with the upload that was begun for them.
    """
    files = _files(path)
    with Steps(clock).step(f"Reading {path.name}") as step:
        listed: list[Item] = [
            {"path": name, "size": file.stat().st_size, "sha256": _sha256(file)} for name, file in files.items()
        ]
        step.result = show_bytes(sum(one["size"] for one in listed))
    begun = _begun(catalog, listed) or catalog.post("/api/v1/uploads", {"files": listed})
    for one in listed:
        _send(catalog, begun["id"], one, files[one["path"]], clock)
    done = catalog.get(f"/api/v1/uploads/{begun['id']}")
    if done["state"] != "complete":
        raise Failure(f"The upload {begun['id']} is not complete; run the same command again.")
    return str(begun["id"])


def _files(path: Path) -> dict[str, Path]:
    """Return the files by the names they will have."""
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise Failure(f"{path} is neither a file nor a directory.")
    found = {
        file.relative_to(path).as_posix(): file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(part in _SKIPPED for part in file.relative_to(path).parts)
    }
    if not found:
        raise Failure(f"{path} has no files.")
    return found


def _begun(catalog: Api, listed: list[Item]) -> Item | None:
    """Return an upload of exactly these files, if there is one."""
    wanted = sorted((one["path"], one["size"], one["sha256"]) for one in listed)
    for found in catalog.items("/api/v1/uploads"):
        if sorted((one["path"], one["size"], one["sha256"]) for one in found["files"]) == wanted:
            return found
    return None


def _send(catalog: Api, upload_id: str, listed: Item, file: Path, clock: Clock) -> None:
    """Bring one file to its end, over several requests and a few broken connections."""
    path = f"/api/v1/uploads/{upload_id}/files/{quote(listed['path'])}"
    size, failures = listed["size"], 0
    with Steps(clock).step(f"Uploading {listed['path']}") as step:
        while True:
            offset, is_whole = _there(catalog, upload_id, listed["path"])
            if is_whole:
                step.result = show_bytes(size)
                return
            step.note(f"{show_bytes(offset)} of {show_bytes(size)}")
            last = min(size, offset + _REQUEST_BYTES)
            headers = {"content-range": f"bytes {offset}-{last - 1}/{size}"} if size else {}
            headers["content-length"] = str(last - offset)
            try:
                catalog.put(path, _pieces(file, offset, last), headers)
                failures = 0
            except Unreachable:
                failures += 1
                if failures >= _ATTEMPTS:
                    raise
                time.sleep(_PAUSE_S * failures)
            except Refused as error:
                raise Failure(f"{listed['path']}: {error}") from error


def _there(catalog: Api, upload_id: str, name: str) -> tuple[int, bool]:
    found = catalog.get(f"/api/v1/uploads/{upload_id}")
    one = next(item for item in found["files"] if item["path"] == name)
    return int(one["offset"]), bool(one["is_whole"])


def _pieces(file: Path, start: int, end: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        opened.seek(start)
        left = end - start
        while left > 0 and (piece := opened.read(min(_PIECE_BYTES, left))):
            left -= len(piece)
            yield piece


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
