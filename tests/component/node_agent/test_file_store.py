"""The store keeps each file once, and deletes no file that any model needs."""

import os
import stat
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.transfers.durable import held
from roundhouse_node_agent.transfers.errors import StoreBusy, TransferFailed
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles

WEIGHTS, CONFIG = b"w" * 100_000, b'{"architectures": []}'


def a_source(name: str) -> ModelSource:
    return ModelSource(kind=SourceKind.HUGGING_FACE, uri=name)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "models")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


def copied(store: FileStore, elsewhere: Path, name: str, **files: bytes) -> StoredFiles:
    """Put a model into the store; `__` in a name stands for a dot."""
    paths = {}
    for number, (stated, content) in enumerate(files.items()):
        path = elsewhere / name / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths[stated.replace("__", ".")] = path
    return store.copy_in(a_source(name), paths, "r1")


def everything(store: FileStore) -> set[str]:
    return {
        path.relative_to(store.layout.root).as_posix() for path in store.layout.root.rglob("*") if not path.is_dir()
    }


def test_a_model_is_links_to_read_only_blobs_that_stay_right_when_the_store_moves(
    store: FileStore, elsewhere: Path, tmp_path: Path
) -> None:
    stored = copied(store, elsewhere, "m", model__safetensors=WEIGHTS, config__json=CONFIG)
    assert stored.path == str(store.layout.tree(stored.key) / "files")
    assert stored.size_bytes == len(WEIGHTS) + len(CONFIG)
    for blob in store.layout.blobs.iterdir():
        assert stat.S_IMODE(blob.stat().st_mode) == 0o444
    store.layout.root.rename(tmp_path / "moved")
    moved = FileStore(tmp_path / "moved").find(stored.key)
    assert moved is not None
    assert (Path(moved.path) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("files", "path"),
    [
        (["model.gguf"], "model.gguf"),
        (["model.gguf", "mmproj-f16.gguf"], "model.gguf"),
        (["m-00002-of-00002.gguf", "m-00001-of-00002.gguf", "README.md"], "m-00001-of-00002.gguf"),
        (["sub/a.bin"], "sub/a.bin"),
        (["config.json", "model.safetensors"], "."),
    ],
)
def test_engines_get_the_file_where_they_take_files(
    store: FileStore, elsewhere: Path, files: list[str], path: str
) -> None:
    elsewhere.mkdir()
    (elsewhere / "f").write_bytes(b"x")
    stored = store.copy_in(a_source("m"), dict.fromkeys(files, elsewhere / "f"))
    assert Path(stored.path) == store.layout.tree(stored.key) / "files" / path


def test_what_two_models_share_is_kept_until_the_second_goes(store: FileStore, elsewhere: Path) -> None:
    first = copied(store, elsewhere, "a", weights=WEIGHTS, config=b"1")
    second = copied(store, elsewhere, "b", weights=WEIGHTS, config=b"2")
    assert len(list(store.layout.blobs.iterdir())) == 3
    assert store.removable_bytes([first.key]) == 1
    assert store.removable_bytes([first.key, second.key]) == len(WEIGHTS) + 2
    store.remove(first.key)
    assert store.find(first.key) is None
    assert (Path(second.path) / "weights").read_bytes() == WEIGHTS
    freed = store.remove(second.key)
    assert freed >= len(WEIGHTS)
    assert everything(store) == set()


def test_removing_twice_or_what_never_was_is_nothing(store: FileStore) -> None:
    key = source_key(a_source("m"))
    assert store.remove(key) == store.remove(key) == 0
    assert store.remove("../../etc") == 0


def test_a_blob_that_somebody_is_about_to_use_stays(store: FileStore, elsewhere: Path) -> None:
    first = copied(store, elsewhere, "a", weights=WEIGHTS)
    sha256 = first.manifest.files[0].sha256
    begun = RemoteFile(path="w", size=len(WEIGHTS), urls=(), sha256=sha256)
    store.begin(FetchPlan(source=a_source("b"), revision="", files=(begun,), origin=""))
    store.remove(first.key)
    assert store.blob(sha256) is not None
    (unfinished,) = store.unfinished()
    assert (unfinished.stored_bytes, unfinished.total_bytes) == (len(WEIGHTS), len(WEIGHTS))
    store.drop_unfinished(unfinished.key)
    assert everything(store) == set()


def test_a_model_that_is_being_fetched_is_not_removed(store: FileStore, elsewhere: Path) -> None:
    stored = copied(store, elsewhere, "a", weights=WEIGHTS)
    with held(store.layout.lock(stored.key)), pytest.raises(StoreBusy, match="cancel"):
        store.remove(stored.key)
    store.remove(stored.key)


def test_a_model_whose_file_is_gone_is_not_found_and_can_be_made_again(store: FileStore, elsewhere: Path) -> None:
    stored = copied(store, elsewhere, "a", weights=WEIGHTS)
    store.layout.blob(stored.manifest.files[0].sha256).unlink()
    assert store.find(stored.key) is None
    assert store.list() == ()
    assert copied(store, elsewhere, "a", weights=WEIGHTS) == store.find(stored.key)


def test_adopted_files_are_not_copied_and_not_deleted(store: FileStore, elsewhere: Path) -> None:
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "model.safetensors").write_bytes(WEIGHTS)
    (elsewhere / "sub" / "config.json").write_bytes(CONFIG)
    (elsewhere / ".cache").mkdir()
    (elsewhere / ".cache" / "lock").write_bytes(b"")
    stored = store.adopt(a_source("m"), elsewhere)
    assert (stored.is_adopted, stored.path) == (True, str(elsewhere))
    assert [file.path for file in stored.manifest.files] == ["model.safetensors", "sub/config.json"]
    assert not any(store.layout.blobs.iterdir())
    store.remove(stored.key)
    assert (elsewhere / "model.safetensors").read_bytes() == WEIGHTS
    assert store.list() == ()


def test_an_adopted_file_is_given_as_a_file(store: FileStore, elsewhere: Path) -> None:
    elsewhere.mkdir()
    file = elsewhere / "m.gguf"
    file.write_bytes(b"GGUF")
    assert store.adopt(a_source("m"), file).path == str(file)
    file.unlink()
    assert store.list() == ()


@pytest.mark.parametrize("missing", ["nothing", "empty"])
def test_nothing_is_not_adopted(store: FileStore, elsewhere: Path, missing: str) -> None:
    (elsewhere / "empty").mkdir(parents=True)
    with pytest.raises(ModelUnavailable, match=missing):
        store.adopt(a_source("m"), elsewhere / missing)


def test_use_is_noted(store: FileStore, elsewhere: Path) -> None:
    stored = copied(store, elsewhere, "a", weights=WEIGHTS)
    store.touch(stored.key, 1_900_000_000.0)
    found = store.find(stored.key)
    assert found is not None
    assert found.used_at == 1_900_000_000.0
    assert found.published_at == stored.published_at
    store.touch(source_key(a_source("never")), 1.0)


def test_hostile_names_reach_nothing_outside(store: FileStore, elsewhere: Path) -> None:
    elsewhere.mkdir()
    (elsewhere / "f").write_bytes(b"x")
    with pytest.raises(TransferFailed):
        store.copy_in(a_source("m"), {"../../../outside": elsewhere / "f"})
    assert store.blob("../../etc/passwd") is None
    assert store.find("..") is None
    assert everything(store) == set()


def test_a_file_that_cannot_be_read_is_named(store: FileStore, elsewhere: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no-such-file"):
        store.copy_in(a_source("m"), {"a": elsewhere / "no-such-file"})


def test_an_empty_store_says_how_much_room_there_is(store: FileStore) -> None:
    assert 0 < store.free_bytes() <= store.disk_bytes()
    assert not store.layout.root.exists()


def test_the_remains_of_crashes_are_swept_and_nothing_else(store: FileStore, elsewhere: Path) -> None:
    stored = copied(store, elsewhere, "a", weights=WEIGHTS)
    begun = RemoteFile(path="w", size=10, urls=(), sha256="a" * 64)
    store.begin(FetchPlan(source=a_source("b"), revision="", files=(begun,), origin=""))
    layout = store.layout
    layout.data("a" * 64).write_bytes(b"begun")
    before = everything(store)
    layout.data("b" * 64).write_bytes(b"orphan")
    for path in (layout.journal("b" * 64), layout.begun("b" * 64), layout.partial / f"{'d' * 32}.plan.new"):
        path.write_bytes(b"orphan")
    layout.blob("c" * 64).write_bytes(b"a blob of no model")
    for name in (".gone-x", ".new-y"):
        (layout.trees / name / "files").mkdir(parents=True)
        os.symlink("nowhere", layout.trees / name / "files" / "link")
    assert store.sweep() > 0
    assert everything(store) == before
    assert store.find(stored.key) == stored
