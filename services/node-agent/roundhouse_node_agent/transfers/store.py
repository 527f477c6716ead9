"""The node's content-addressed store of model files: each distinct file is kept once, whole, verified, read-only.

    blobs/SHA256                       whole files, mode 0444
    trees/KEY/manifest.json, files/    one model: relative links into blobs/; published by one rename
    partial/                           what is being fetched, and what was fetched before an interruption
    locks/                             one file per key and per file in work, held with flock

All methods block on the disk. Any number of processes may use one store at the same time. What a crash leaves half
done is either whole or not there; `sweep` deletes the remains.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.transfers.adopting import adopted_manifest
from roundhouse_node_agent.transfers.blobs import copy_blob, settle_blob
from roundhouse_node_agent.transfers.durable import disk_errors, held
from roundhouse_node_agent.transfers.layout import Layout, is_digest, is_key
from roundhouse_node_agent.transfers.manifest import Manifest, ManifestFile
from roundhouse_node_agent.transfers.paths import check_paths
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile
from roundhouse_node_agent.transfers.plan_record import FoundBlob, PlanRecord, read_plan, record_of, write_plan
from roundhouse_node_agent.transfers.references import (
    all_plans,
    delete_blobs,
    delete_partials,
    referred_blobs,
    unreferred,
)
from roundhouse_node_agent.transfers.trees import (
    StoredFiles,
    all_keys,
    publish_tree,
    read_manifest,
    read_tree,
    retire_tree,
    touch_tree,
)
from roundhouse_node_agent.transfers.unfinished import Unfinished, unfinished_of

__all__ = ["FileStore", "StoredFiles", "Unfinished"]


class FileStore:
    def __init__(self, root: Path) -> None:
        """Nothing is touched before the first method that needs it."""
        self.layout = Layout(root)

    def find(self, key: str) -> StoredFiles | None:
        """Return the model when it is whole. One whose files are gone from the disk is not found."""
        return read_tree(self.layout, key) if is_key(key) else None

    def list(self) -> tuple[StoredFiles, ...]:
        """Return all models that are whole, in the order of their keys."""
        return tuple(found for key in all_keys(self.layout) if (found := self.find(key)) is not None)

    def unfinished(self) -> tuple[Unfinished, ...]:
        """Return the models that were begun and are not whole."""
        begun = all_plans(self.layout).items()
        return tuple(unfinished_of(self.layout, key, record) for key, record in begun if self.find(key) is None)

    def publish(self, manifest: Manifest) -> StoredFiles:
        """Make a model of blobs that are all in the store; safe to repeat."""
        key = source_key(manifest.source)
        self.layout.make()
        with held(self.layout.store_lock):
            found = self.find(key)
            if found is None or found.manifest != manifest:
                self._check_blobs(manifest)
                publish_tree(self.layout, key, manifest)
            self._settle(key)
        found = self.find(key)
        if found is None:
            raise ModelUnavailable(f"the files of the model changed on the disk while it was published: {key}")
        return found

    def _check_blobs(self, manifest: Manifest) -> None:
        for file in () if manifest.adopted_path else manifest.files:
            if self.blob(file.sha256) is None:
                raise ModelUnavailable(f"{file.path} of the model is not in the store; fetch it again")

    def _settle(self, key: str) -> int:
        """Forget that a model was begun: it is whole, or not wanted. The store's lock is held."""
        begun = read_plan(self.layout.plan(key))
        self.layout.plan(key).unlink(missing_ok=True)
        names = {file.partial for file in begun.files} if begun is not None else set()
        return delete_partials(self.layout, names & unreferred(self.layout)[1])

    def adopt(self, source: ModelSource, path: Path, revision: str = "") -> StoredFiles:
        """Note files that are on the disk already as the files of `source`, without copying; safe to repeat.

        Raises ModelUnavailable when there is nothing readable at `path`.
        """
        return self.publish(adopted_manifest(source, path, revision))

    def copy_in(self, source: ModelSource, files: Mapping[str, Path], revision: str = "") -> StoredFiles:
        """Copy a model from elsewhere on the disk; `files` by their path within the model. Safe to repeat.

        Raises ModelUnavailable for paths that are not taken, and for what the disk refuses.
        """
        key = source_key(source)
        with held(self.layout.lock(key), busy=_busy(key)):
            remote = tuple(RemoteFile(path=path, size=-1, urls=()) for path in sorted(files))
            record = self.begin(FetchPlan(source=source, revision=revision, files=remote, origin="this node"))
            kept = []
            for file in record.files:
                with held(self.layout.lock(file.partial)):
                    sha256, size = copy_blob(self.layout, file.partial, files[file.path])
                    self.keep(key, file.partial, sha256, size)
                kept.append(ManifestFile(path=file.path, size=size, sha256=sha256))
            return self.publish(Manifest(source=source, revision=revision, files=tuple(kept)))

    def begin(self, plan: FetchPlan) -> PlanRecord:
        """Note what is going to be fetched: from here on its blobs are kept. The key's lock is held."""
        check_paths(file.path for file in plan.files)
        key = source_key(plan.source)
        with disk_errors(self.layout.plan(key)):
            self.layout.make()
            with held(self.layout.store_lock):
                record = record_of(key, plan, read_plan(self.layout.plan(key)))
                write_plan(self.layout.plan(key), record)
                return record

    def keep(self, key: str, name: str, sha256: str, size: int) -> None:
        """Make a blob of a partial file of a model that was begun; data whole and synced, its lock held."""
        with disk_errors(self.layout.data(name)), held(self.layout.store_lock):
            record = read_plan(self.layout.plan(key))
            if record is not None and sha256 not in record.blobs():
                found = {**record.found, name: FoundBlob(sha256=sha256, size=size)}
                write_plan(self.layout.plan(key), msgspec.structs.replace(record, found=found))
            settle_blob(self.layout, name, sha256)

    def blob(self, sha256: str) -> Path | None:
        """Return where a whole file is. For serving it to other nodes."""
        path = self.layout.blob(sha256)
        return path if is_digest(sha256) and path.is_file() else None

    def touch(self, key: str, at: float) -> None:
        """Note that the model was used; one that is not there is ignored."""
        if is_key(key):
            touch_tree(self.layout, key, at)

    def remove(self, key: str) -> int:
        """Delete the model, what was begun of it, and the blobs that nothing else needs; return the bytes freed.

        Files of an adopted model stay. Safe to repeat, also after a crash. Raises StoreBusy while it is being fetched.
        """
        return self._remove(key, with_tree=True)

    def drop_unfinished(self, key: str) -> int:
        """Delete what was begun of a model that is not whole; return the bytes freed. Raises StoreBusy as `remove`."""
        return self._remove(key, with_tree=False)

    def _remove(self, key: str, *, with_tree: bool) -> int:
        if not is_key(key):
            return 0
        self.layout.make()
        with held(self.layout.lock(key), busy=_busy(key)), held(self.layout.store_lock):
            manifest, begun = read_manifest(self.layout, key), read_plan(self.layout.plan(key))
            was = begun.blobs() if begun is not None else set()
            if with_tree:
                was.update(file.sha256 for file in (manifest.files if manifest is not None else ()))
                retire_tree(self.layout, key)
            freed = self._settle(key)
            return freed + delete_blobs(self.layout, was & unreferred(self.layout)[0])

    def removable_bytes(self, keys: Sequence[str]) -> int:
        """Return what removing these models would free: blobs that others share do not count."""
        wanted = referred_blobs(self.layout, without=keys)
        gone: set[str] = set()
        for key in filter(is_key, keys):
            manifest, begun = read_manifest(self.layout, key), read_plan(self.layout.plan(key))
            gone |= begun.blobs() if begun is not None else set()
            gone |= {file.sha256 for file in manifest.files if file.sha256} if manifest is not None else set()
        paths = [path for sha256 in gone - wanted if (path := self.blob(sha256)) is not None]
        return sum(path.stat().st_size for path in paths)

    def sweep(self) -> int:
        """Finish what a crash interrupted and return the bytes freed; for the start of the agent."""
        self.layout.make()
        with held(self.layout.store_lock):
            for path in self.layout.trees.glob(".*"):
                shutil.rmtree(path, ignore_errors=True)
            for path in self.layout.partial.glob("*.plan.new"):
                path.unlink()
            for key in all_plans(self.layout):
                if self.find(key) is not None:
                    self._settle(key)
            blobs, partials = unreferred(self.layout)
            return delete_blobs(self.layout, blobs) + delete_partials(self.layout, partials)

    def free_bytes(self) -> int:
        """Return what is free on the file system of the store, for this user."""
        found = self._statvfs()
        return found.f_bavail * found.f_frsize

    def disk_bytes(self) -> int:
        """Return the size of the file system of the store."""
        found = self._statvfs()
        return found.f_blocks * found.f_frsize

    def _statvfs(self) -> os.statvfs_result:
        path = self.layout.root
        while not path.exists():
            path = path.parent
        return os.statvfs(path)


def _busy(key: str) -> str:
    return f"the files of this model ({key}) are being fetched; cancel that first"
