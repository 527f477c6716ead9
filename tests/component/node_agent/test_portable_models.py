"""A model leaves one node as a directory and starts on another one without a network."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from roundhouse_common.bus.memory import MemoryBroker
from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.models import InspectModel
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.provisioning import FilesState, StoredModel
from roundhouse_common.contracts.registry import READ_MODEL_FACTS
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.models.names import ModelNames
from roundhouse_node_agent.models.portable import NotPortable, Portable, export_model, import_model
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers.store import FileStore, StoredFiles
from tests.component.node_agent.conftest import Node
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SMOLLM2, SchedulerStub, an_assignment

SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/smol", patterns=("*.gguf",))
KEY = source_key(SOURCE)


def quiet(_line: str) -> None: ...


def a_model(store: FileStore, directory: Path, name: str = "smol", source: ModelSource = SOURCE) -> StoredFiles:
    files = {"config.json": directory / "config.json", "sub/model.safetensors": directory / "weights"}
    for path in files.values():
        path.write_text(f"this is {path.name} of {name}")
    ModelNames(store.layout.root).keep(source_key(source), name)
    return store.copy_in(source, files, "c0ffee")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "one" / "models")


@pytest.fixture
def other(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "other" / "models")


@pytest.fixture
def exported(store: FileStore, tmp_path: Path) -> Path:
    a_model(store, tmp_path)
    export_model(store, "smol", tmp_path / "out", say=quiet)
    return tmp_path / "out"


def test_an_exported_model_is_a_plain_directory_and_comes_in_the_same(exported: Path, other: FileStore) -> None:
    assert (exported / "files" / "sub" / "model.safetensors").read_text() == "this is weights of smol"
    assert not any(path.is_symlink() for path in exported.rglob("*"))
    found = import_model(other, exported, say=quiet)
    assert (found.key, found.manifest.source, found.manifest.revision) == (KEY, SOURCE, "c0ffee")
    assert (Path(found.path) / "config.json").read_text() == "this is config.json of smol"
    assert ModelNames(other.layout.root).get(KEY) == "smol"
    assert import_model(other, exported, say=quiet) == found


def test_a_model_is_named_by_name_key_or_uri(store: FileStore, tmp_path: Path) -> None:
    a_model(store, tmp_path)
    for number, name in enumerate(("smol", KEY, "acme/smol")):
        assert export_model(store, name, tmp_path / str(number), say=quiet).source == SOURCE
    with pytest.raises(NotPortable, match="there is smol"):
        export_model(store, "other", tmp_path / "no", say=quiet)
    twin = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/smol", revision="v2")
    a_model(store, tmp_path, source=twin)
    with pytest.raises(NotPortable, match=f"2 models are called 'smol'; name one by its key: .*{KEY}"):
        export_model(store, "smol", tmp_path / "no", say=quiet)


def test_a_directory_that_is_not_empty_is_left_alone(store: FileStore, tmp_path: Path) -> None:
    a_model(store, tmp_path)
    with pytest.raises(NotPortable, match="is not empty"):
        export_model(store, "smol", tmp_path, say=quiet)


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def as_a_link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("elsewhere")))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: damage(out / "files/config.json"), "is not the file that was exported"),
        (lambda out: (out / "files/config.json").write_text("short"), "has 5 bytes"),
        (lambda out: (out / "files/config.json").unlink(), "is missing"),
        (lambda out: (out / "manifest.json").unlink(), "has no manifest.json"),
        (lambda out: (out / "manifest.json").write_text("[]"), "is no manifest"),
        (lambda out: as_a_link(out / "files/config.json"), "no plain file"),
    ],
)
def test_what_was_damaged_on_the_way_does_not_come_in(
    exported: Path, other: FileStore, spoil: object, said: str
) -> None:
    assert callable(spoil)
    spoil(exported)
    with pytest.raises(NotPortable, match=said):
        import_model(other, exported, say=quiet)
    assert other.list() == ()
    assert list(other.layout.root.glob("blobs/*")) == []


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_manifest_cannot_reach_outside_its_directory(exported: Path, other: FileStore, path: str) -> None:
    portable = msgspec.json.decode((exported / "manifest.json").read_bytes(), type=Portable)
    files = (msgspec.structs.replace(portable.files[0], path=path),)
    (exported / "manifest.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(portable, files=files)))
    with pytest.raises(Exception, match="not taken"):
        import_model(other, exported, say=quiet)
    assert other.list() == ()


def test_a_damaged_store_is_noticed_when_it_is_exported(store: FileStore, tmp_path: Path) -> None:
    found = a_model(store, tmp_path)
    blob = store.layout.blob(found.manifest.files[0].sha256)
    blob.chmod(0o644)
    damage(blob)
    with pytest.raises(NotPortable, match="is damaged in this node's store"):
        export_model(store, "smol", tmp_path / "out", say=quiet)
    with pytest.raises(NotPortable, match="its export was cut off"):
        import_model(FileStore(tmp_path / "third"), tmp_path / "out", say=quiet)


def test_adopted_weights_are_exported_with_digests(store: FileStore, other: FileStore, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.safetensors").write_text("weights")
    store.adopt(SOURCE, tmp_path / "mine")
    portable = export_model(store, KEY, tmp_path / "out", say=quiet)
    assert all(len(file.sha256) == 64 for file in portable.files)
    found = import_model(other, tmp_path / "out", say=quiet)
    assert not found.is_adopted
    assert (Path(found.path)).read_text() == "weights"


def run(verb: str, *arguments: str, state_dir: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "roundhouse_node_agent.models.portable", verb, *arguments]
    return subprocess.run([*command, "--state-dir", str(state_dir)], capture_output=True, text=True, timeout=60)


@pytest.fixture
async def island(tmp_path: Path, broker: MemoryBroker) -> AsyncIterator[Node]:
    """A node whose only source is an address where nobody answers."""
    machine = Node(tmp_path / "island", broker)
    machine.sources = SourceOptions(hugging_face_endpoints=("http://127.0.0.1:9",))
    yield machine
    await machine.leave_nothing()


async def serving(scheduler: SchedulerStub) -> StoredModel:
    """Have the island run a replica; return what it tells of the files."""
    await scheduler.assign("nod_test", an_assignment(source=SOURCE))

    async def serves() -> bool:
        found = await scheduler.replica("nod_test", "rep_1")
        assert found is not None
        assert found.phase is ObservedPhase.READY, found
        async with aiohttp.ClientSession() as session, session.get(f"{found.base_url}/health") as response:
            return response.status == 200

    async def told() -> StoredModel | None:
        files = await scheduler.files("nod_test", SOURCE)
        return files if files is not None and files.state is FilesState.READY else None

    await eventually(serves, within_s=40.0)
    files = await eventually(told)
    assert files is not None
    return files


@pytest.mark.timeout(90)
async def test_an_imported_model_starts_on_a_node_without_a_network(
    island: Node, scheduler: SchedulerStub, store: FileStore, tmp_path: Path
) -> None:
    store.copy_in(SOURCE, {SMOLLM2.name: SMOLLM2}, "c0ffee")
    ModelNames(store.layout.root).keep(KEY, "smol")
    written = run("export", "smol", str(tmp_path / "out"), state_dir=tmp_path / "one")
    assert written.returncode == 0, written.stderr

    await island.start()
    await eventually(lambda: scheduler.epochs)
    brought = run("import", str(tmp_path / "out"), state_dir=island.path)
    assert brought.returncode == 0, brought.stderr
    listed = run("ls", state_dir=island.path)
    assert listed.stdout.split()[:3] == [KEY, "smol", "hugging-face"]
    assert run("export", "other", str(tmp_path / "no"), state_dir=island.path).returncode == 1

    told = await serving(scheduler)
    assert (told.is_in_use, told.is_adopted) == (True, False)


@pytest.mark.timeout(90)
async def test_weights_on_the_disk_are_inspected_and_started_without_a_network(
    island: Node, scheduler: SchedulerStub, tmp_path: Path
) -> None:
    there = tmp_path / "weights" / SOURCE.uri
    there.mkdir(parents=True)
    (there / SMOLLM2.name).symlink_to(SMOLLM2)
    island.model_directories = [tmp_path / "weights"]
    await island.start()
    await eventually(lambda: scheduler.epochs)
    inspected = await scheduler.bus.request(READ_MODEL_FACTS, InspectModel(source=SOURCE), "nod_test", timeout_s=20.0)
    assert inspected.error == ""
    assert inspected.facts is not None
    assert inspected.facts.architecture == "llama"
    assert island.store.list() == (), "a question changes nothing"

    told = await serving(scheduler)
    assert (told.is_in_use, told.is_adopted, told.path) == (True, True, str(there / SMOLLM2.name))
