"""Model files may be kept on another disk than the rest of an agent's state."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import SystemIds
from roundhouse_node_agent.domain.errors import StateDirUnusable
from roundhouse_node_agent.processes.state_dir import StateDir
from roundhouse_node_agent.transfers.store import FileStore

SOURCE = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    with contextlib.closing(StateDir.open(tmp_path / "state", node_id="", ids=SystemIds())) as state:
        yield state


def a_model(root: Path, tmp_path: Path) -> Path:
    (tmp_path / "weights").write_text("weights")
    return Path(FileStore(root).copy_in(SOURCE, {"model.safetensors": tmp_path / "weights"}).path)


def test_without_a_choice_they_are_in_the_state_directory(state: StateDir) -> None:
    assert state.place_models(None) == state.path / "models"
    assert not (state.path / "models").exists()


@pytest.mark.contract("A10")
def test_they_are_kept_where_it_is_chosen_and_found_from_the_state_directory(state: StateDir, tmp_path: Path) -> None:
    root = state.place_models(tmp_path / "large disk" / "models")
    path = a_model(root, tmp_path)
    assert path.resolve().is_relative_to(tmp_path / "large disk")
    assert path.read_text() == "weights"
    assert FileStore(state.path / "models").find(source_key(SOURCE)) is not None
    assert state.place_models(tmp_path / "large disk" / "models") == root
    assert state.place_models(None) == root


def test_another_choice_leads_there_from_then_on_and_leaves_what_was_fetched(state: StateDir, tmp_path: Path) -> None:
    a_model(state.place_models(tmp_path / "one"), tmp_path)
    root = state.place_models(tmp_path / "two")
    assert FileStore(root).list() == ()
    assert len(FileStore(tmp_path / "one").list()) == 1


def test_files_that_are_here_already_are_not_left_behind(state: StateDir, tmp_path: Path) -> None:
    a_model(state.path / "models", tmp_path)
    with pytest.raises(StateDirUnusable, match="move what is in it there"):
        state.place_models(tmp_path / "one")


def test_a_place_that_cannot_be_used_is_refused(state: StateDir, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateDirUnusable, match=r"cannot be kept in .*file/models: Not a directory"):
        state.place_models(tmp_path / "file" / "models")
