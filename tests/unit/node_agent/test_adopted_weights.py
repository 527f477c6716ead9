"""Weights that are on the disk already are found only when they look whole."""

import json
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.models.adoption import DiskFinder

COMMIT = "a" * 40
SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}})


def write(directory: Path, *names: str, text: str = "x") -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in the client's cache, with one whole snapshot whose files are links into blobs/."""
    repository = tmp_path / "hub" / "models--acme--tiny"
    write(repository, "refs/main", text=COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for number, name in enumerate(("config.json", "tokenizer.json", *SHARDS)):
        write(repository, f"blobs/{number}")
        (snapshot / name).symlink_to(Path("../../blobs") / str(number))
    write(snapshot, "model.safetensors.index.json", text=INDEX)
    return repository


def found(repository: Path, source: ModelSource = SOURCE) -> Path | None:
    return path_of(DiskFinder(hugging_face_cache=repository.parent), source)


def path_of(finder: DiskFinder, source: ModelSource = SOURCE) -> Path | None:
    there = finder(source)
    return there.path if there is not None else None


def a_source(**changes: object) -> ModelSource:
    return ModelSource(**{"kind": SourceKind.HUGGING_FACE, "uri": "acme/tiny", **changes})  # type: ignore[arg-type]  # a test's builder


@pytest.mark.contract("A10")
def test_a_whole_snapshot_is_found_by_branch_and_by_commit(repository: Path) -> None:
    snapshot = repository / "snapshots" / COMMIT
    assert found(repository) == snapshot
    assert found(repository, a_source(revision="main")) == snapshot
    assert found(repository, a_source(revision=COMMIT)) == snapshot
    assert found(repository, a_source(revision="v2")) is None
    assert found(repository, a_source(uri="acme/other")) is None
    assert found(repository, a_source(kind=SourceKind.MODEL_SCOPE)) is None


def test_a_snapshot_that_lacks_a_shard_is_not_used(repository: Path) -> None:
    (repository / "snapshots" / COMMIT / SHARDS[1]).unlink()
    assert found(repository) is None


def test_a_link_that_leads_nowhere_is_not_whole(repository: Path) -> None:
    (repository / "blobs" / "2").unlink()
    assert found(repository) is None


def test_a_download_that_is_under_way_is_not_whole(repository: Path) -> None:
    write(repository, "blobs/abc.incomplete")
    assert found(repository) is None


def test_without_the_settings_nothing_is_looked_for(repository: Path) -> None:
    assert DiskFinder()(SOURCE) is None


@pytest.mark.parametrize("revision", ["../../x", "refs/../..", "/etc"])
def test_a_revision_cannot_leave_the_cache(repository: Path, revision: str) -> None:
    assert found(repository, a_source(revision=revision)) is None


def test_a_model_directory_has_models_by_owner_and_name(tmp_path: Path) -> None:
    write(tmp_path / "acme" / "tiny", "config.json", "model.safetensors")
    finder = DiskFinder(model_directories=[tmp_path])
    assert path_of(finder, SOURCE) == tmp_path / "acme" / "tiny"
    assert path_of(finder, a_source(kind=SourceKind.MODEL_SCOPE)) == tmp_path / "acme" / "tiny"
    assert path_of(finder, a_source(revision="v1")) is None
    assert path_of(finder, a_source(uri="acme/none")) is None
    assert path_of(finder, ModelSource(kind=SourceKind.HTTP, uri="http://127.0.0.1/acme/tiny")) is None


def test_the_quantisation_asked_for_is_given_as_a_file(tmp_path: Path) -> None:
    write(tmp_path / "acme" / "tiny", "tiny.Q4_K_M.gguf", "tiny.Q8_0.gguf")
    finder = DiskFinder(model_directories=[tmp_path])
    assert path_of(finder, SOURCE) is None
    assert path_of(finder, a_source(patterns=("*Q8_0.gguf",))) == tmp_path / "acme" / "tiny" / "tiny.Q8_0.gguf"
    assert path_of(finder, a_source(patterns=("*Q2_K.gguf",))) is None


def test_a_split_model_is_found_when_all_its_parts_are_there(tmp_path: Path) -> None:
    parts = [f"tiny-0000{number}-of-00002.gguf" for number in (1, 2)]
    write(tmp_path / "acme" / "tiny", parts[1])
    finder = DiskFinder(model_directories=[tmp_path])
    assert path_of(finder, SOURCE) is None
    write(tmp_path / "acme" / "tiny", parts[0])
    assert path_of(finder, SOURCE) == tmp_path / "acme" / "tiny"
    write(tmp_path / "acme" / "tiny", "another.gguf")
    assert path_of(finder, a_source(patterns=("tiny-*.gguf",))) == tmp_path / "acme" / "tiny" / parts[0]


def test_a_directory_that_the_client_filled_stands_for_its_commit_only(tmp_path: Path) -> None:
    directory = tmp_path / "acme" / "tiny"
    write(directory, "config.json", "model.safetensors")
    notes = directory / ".cache" / "huggingface" / "download"
    write(notes, "model.safetensors.metadata", text=f"{COMMIT}\netag\n1712656091.1\n")
    finder = DiskFinder(model_directories=[tmp_path])
    there = finder(a_source(revision=COMMIT))
    assert there is not None
    assert (there.path, there.revision) == (directory, COMMIT)
    assert finder(SOURCE) == there
    assert finder(a_source(revision="b" * 40)) is None
    assert finder(a_source(revision=COMMIT, kind=SourceKind.MODEL_SCOPE)) is None
    write(notes, "abc.incomplete")
    assert finder(SOURCE) is None
