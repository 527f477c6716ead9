"""A model as a plain directory, for machines without a network. Works beside a running agent, and without one.

    python -m roundhouse_node_agent.models.portable ls --state-dir DIR
    python -m roundhouse_node_agent.models.portable export MODEL DIRECTORY --state-dir DIR
    python -m roundhouse_node_agent.models.portable import DIRECTORY --state-dir DIR

DIRECTORY/files/ has the files as they are; DIRECTORY/manifest.json, written last, says which they are, with digests.
An imported model answers for the same source as the exported one: what is deployed from it starts without a network.
"""

import argparse
import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.model_sources import shown_uri, source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.names import ModelNames
from roundhouse_node_agent.transfers.manifest import ManifestFile
from roundhouse_node_agent.transfers.paths import check_paths
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

__all__ = ["NotPortable", "Portable", "export_model", "import_model", "main"]

_MANIFEST: Final = "manifest.json"
_MOST_MANIFEST_BYTES: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 4 * 1024 * 1024
Say = Callable[[str], None]


class Portable(msgspec.Struct, frozen=True, kw_only=True):
    """manifest.json of an exported model."""

    format: int = 1
    name: str = ""
    source: ModelSource
    revision: str = ""
    files: tuple[ManifestFile, ...]


class NotPortable(ModelUnavailable):
    """It cannot be exported or imported. The text says why, and what to do."""

    code = "not_portable"


def export_model(store: FileStore, model: str, target: Path, *, say: Say) -> Portable:
    """Write the model of that name or key to the directory, every digest checked on the way. Raises NotPortable."""
    found = _chosen(store, model)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise NotPortable(f"{target} is not empty; name a directory that is empty or not there")
    target.mkdir(parents=True, exist_ok=True)
    _check_room(target, shutil.disk_usage(target).free, found.size_bytes)
    files = []
    for number, file in enumerate(found.manifest.files, start=1):
        say(f"{number}/{len(found.manifest.files)} {file.path} ({file.size} bytes)")
        path = target / "files" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = _copied(_path_of(store, found, file), path)
        if file.sha256 and sha256 != file.sha256:
            raise NotPortable(f"{file.path} is damaged in this node's store: remove the model there and fetch it again")
        files.append(ManifestFile(path=file.path, size=path.stat().st_size, sha256=sha256))
    portable = Portable(
        name=ModelNames(store.layout.root).get(found.key) or shown_uri(found.manifest.source),
        source=found.manifest.source,
        revision=found.manifest.revision,
        files=tuple(files),
    )
    manifest = target / _MANIFEST
    manifest.touch(mode=0o600)  # the address of an upload has the secret to read it
    manifest.write_bytes(msgspec.json.format(msgspec.json.encode(portable)))
    return portable


def import_model(store: FileStore, directory: Path, *, say: Say) -> StoredFiles:
    """Take the model into the store, every digest checked. Safe to repeat. Raises NotPortable or ModelUnavailable."""
    portable = _read(directory)
    key = source_key(portable.source)
    present = store.find(key)
    if present is not None and not present.is_adopted:
        say("it is here already")
        return present
    _check_room(store.layout.root, store.free_bytes(), sum(file.size for file in portable.files))
    _check_sizes(directory, portable)
    for number, file in enumerate(portable.files, start=1):
        say(f"{number}/{len(portable.files)} {file.path} ({file.size} bytes)")
        _check_digest(directory, file, _digest_of(directory / "files" / file.path))
    say("every digest is right; copying")
    paths = {file.path: directory / "files" / file.path for file in portable.files}
    found = store.copy_in(portable.source, paths, portable.revision)
    digests = {file.path: file.sha256 for file in found.manifest.files}
    for file in portable.files:
        if digests[file.path] != file.sha256:
            store.remove(key)
        _check_digest(directory, file, digests[file.path])
    ModelNames(store.layout.root).keep(key, portable.name)
    return found


def _check_digest(directory: Path, file: ManifestFile, sha256: str) -> None:
    if sha256 != file.sha256:
        path = directory / "files" / file.path
        raise NotPortable(f"{path} is not the file that was exported: its SHA-256 is {sha256}, not {file.sha256}")


def main(arguments: list[str]) -> int:
    """Return 0 when it was done; otherwise the last line says why not."""
    options = _parser().parse_args(arguments)
    store = FileStore(options.state_dir.absolute() / "models")
    try:
        match options.verb:
            case "export":
                portable = export_model(store, options.model, options.directory.absolute(), say=_say)
                _say(f"{portable.name} is in {options.directory}")
            case "import":
                found = import_model(store, options.directory.absolute(), say=_say)
                _say(f"it is here now: {found.key}, {found.size_bytes} bytes")
            case _:
                _list(store)
    except (ModelUnavailable, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="roundhouse_node_agent.models.portable", description="Models without network")
    verbs = parser.add_subparsers(dest="verb", required=True)
    export = verbs.add_parser("export", help="write a model to a directory")
    export.add_argument("model", help="a name or a key, as `ls` shows them")
    export.add_argument("directory", type=Path)
    imported = verbs.add_parser("import", help="take in a model that was exported elsewhere")
    imported.add_argument("directory", type=Path)
    listed = verbs.add_parser("ls", help="list the models that are whole here")
    for verb in (export, imported, listed):
        verb.add_argument("--state-dir", type=Path, required=True, help="of the node agent")
    return parser


def _list(store: FileStore) -> None:
    names = ModelNames(store.layout.root)
    for found in store.list():
        source, commit = found.manifest.source, found.manifest.revision
        uri = f"{shown_uri(source)}@{commit}" if commit else shown_uri(source)
        place = "outside the store" if found.is_adopted else f"{found.size_bytes} bytes"
        _say(f"{found.key}  {names.get(found.key) or shown_uri(source)}  {source.kind.value} {uri}  {place}")


def _chosen(store: FileStore, model: str) -> StoredFiles:
    names, stored = ModelNames(store.layout.root), store.list()
    found = [one for one in stored if model in (one.key, names.get(one.key), shown_uri(one.manifest.source))]
    if len(found) == 1:
        return found[0]
    if found:
        keys = ", ".join(one.key for one in found)
        raise NotPortable(f"{len(found)} models are called {model!r}; name one by its key: {keys}")
    known = ", ".join(names.get(one.key) or shown_uri(one.manifest.source) for one in stored)
    raise NotPortable(f"there is no whole model {model!r} in {store.layout.root}; there is {known or 'none at all'}")


def _path_of(store: FileStore, found: StoredFiles, file: ManifestFile) -> Path:
    if not found.is_adopted:
        path = store.blob(file.sha256)
        if path is None:
            raise NotPortable(f"{file.path} is missing in this node's store: remove the model there and fetch it again")
        return path
    root = Path(found.manifest.adopted_path)
    return root / file.path if root.is_dir() else root.parent / file.path


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copied(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as written:
        while chunk := read.read(_CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
    return digest.hexdigest()


def _read(directory: Path) -> Portable:
    path = directory / _MANIFEST
    try:
        if path.stat().st_size > _MOST_MANIFEST_BYTES:
            raise NotPortable(f"{path} is too large for a manifest")
        portable = msgspec.json.decode(path.read_bytes(), type=Portable)
    except FileNotFoundError:
        raise NotPortable(
            f"{directory} has no {_MANIFEST}: it is no exported model, or its export was cut off"
        ) from None
    except msgspec.MsgspecError as error:
        raise NotPortable(f"{path} is no manifest of an exported model: {error}") from error
    if portable.format != Portable(source=portable.source, files=()).format:
        raise NotPortable(f"{path} has format {portable.format}, which this version does not read")
    check_paths(file.path for file in portable.files)
    return portable


def _check_sizes(directory: Path, portable: Portable) -> None:
    """Look at everything before anything is copied: the usual damage is a copy that was cut off."""
    for file in portable.files:
        path = directory / "files" / file.path
        if path.is_symlink() or not path.is_file():
            raise NotPortable(f"{path} is missing, or no plain file; copy the directory again")
        if path.stat().st_size != file.size:
            raise NotPortable(f"{path} has {path.stat().st_size} bytes, not {file.size}; copy it again")


def _check_room(directory: Path, free_bytes: int, needed_bytes: int) -> None:
    if free_bytes < needed_bytes:
        raise NotPortable(f"it takes {needed_bytes} bytes and {directory} has {free_bytes} free; make room there")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
