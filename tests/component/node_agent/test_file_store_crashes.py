"""A process that dies in the middle of anything leaves models whole or not there, and nothing that no sweep clears.

Each case runs again and again in a process of its own, which dies at its first, second, ... change of the disk.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.transfers.manifest import Manifest, ManifestFile
from roundhouse_node_agent.transfers.store import FileStore

_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.chmod", "os.utime", "os.truncate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_DIED = 9
_SHARED, _OWN, _NEW = b"shared" * 1000, b"own" * 1000, b"new" * 1000

A, B, C = (ModelSource(kind=SourceKind.HUGGING_FACE, uri=name) for name in "abc")
MODELS = {
    source_key(A): {"shared.bin": _SHARED, "sub/own.bin": _OWN},
    source_key(B): {"shared.bin": _SHARED},
    source_key(C): {"shared.bin": _SHARED, "new.bin": _NEW},
}


def put(store: FileStore, source: ModelSource, files: Path) -> None:
    """Copy a model in."""
    paths = {}
    for name, content in MODELS[source_key(source)].items():
        paths[name] = files / source.uri / name
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_bytes(content)
    store.copy_in(source, paths, "r")


def dies(act: Callable[[], object], step: int) -> bool:
    """Run it in a process that dies at that change of the disk; return False when it had fewer."""
    pid = os.fork()
    if pid == 0:
        left = step

        def die(event: str, arguments: tuple[Any, ...]) -> None:  # Any: each event has its own
            nonlocal left
            if event in _CHANGES or (event == "open" and arguments[2] & _WRITES):
                left -= 1
                if left == 0:
                    os._exit(_DIED)

        sys.addaudithook(die)
        with contextlib.suppress(ModelUnavailable, OSError):
            act()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _DIED), "the act itself failed"
    return code == _DIED


def whole(store: FileStore) -> set[str]:
    """Return the keys of the models that are there; each must be what it was."""
    for stored in store.list():
        root = store.layout.tree(stored.key) / "files"
        assert {file.path: (root / file.path).read_bytes() for file in stored.manifest.files} == MODELS[stored.key]
    return {stored.key for stored in store.list()}


def kept(store: FileStore) -> int:
    return len(list(store.layout.blobs.iterdir()))


SHARED = ManifestFile(path="shared.bin", size=len(_SHARED), sha256=hashlib.sha256(_SHARED).hexdigest())

ACTS: dict[str, tuple[Callable[[FileStore, Path], object], set[str], set[str], int]] = {
    "copy-in": (lambda store, files: put(store, C, files), {source_key(A), source_key(B)}, set(MODELS), 3),
    "replace": (
        lambda store, _: store.publish(Manifest(source=B, revision="r2", files=(SHARED,))),
        {source_key(A)},
        {source_key(A), source_key(B)},
        2,
    ),
    "remove": (lambda store, _: store.remove(source_key(A)), {source_key(B)}, {source_key(B)}, 1),
    "sweep": (lambda store, _: store.sweep(), {source_key(A), source_key(B)}, {source_key(A), source_key(B)}, 2),
}


@pytest.mark.parametrize("name", ACTS)
def test_death_at_every_change_of_the_disk(tmp_path: Path, name: str) -> None:
    act, always, at_last, blobs = ACTS[name]
    files = tmp_path / "files"
    ready = FileStore(tmp_path / "ready")
    put(ready, A, files)
    put(ready, B, files)
    ready.layout.blob("f" * 64).write_bytes(b"of no model")
    step = 0
    while True:
        step += 1
        root = tmp_path / "store"
        shutil.copytree(ready.layout.root, root, symlinks=True)
        store = FileStore(root)
        died = dies(functools.partial(act, store, files), step)
        assert whole(store) >= always
        act(store, files)
        store.sweep()
        assert whole(store) == at_last
        assert kept(store) == blobs
        assert not any(store.layout.locks.iterdir())
        assert not any(store.layout.partial.iterdir())
        shutil.rmtree(root)
        if not died:
            break
    assert step > 5, "it hardly touches the disk: does the hook still see it?"
