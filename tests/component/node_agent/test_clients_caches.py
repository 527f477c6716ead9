"""What the real Hugging Face client leaves on a disk is used as it is: its cache, and a directory that it filled."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.models.adoption import DiskFinder
from tests.support.hub_server import HubServer

FILES = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": bytes(300_000)}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with HubServer() as server:
        yield server


def a_source(revision: str = "") -> ModelSource:
    return ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny", revision=revision)


@pytest.mark.contract("A10")
def test_the_clients_cache_is_used(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add("acme/tiny", FILES)
    snapshot = snapshot_download("acme/tiny", endpoint=hub.url, cache_dir=tmp_path, token=False)
    finder = DiskFinder(hugging_face_cache=tmp_path)
    for revision in ("", "main", commit):
        found = finder(a_source(revision))
        assert found is not None
        assert (str(found.path), found.revision) == (snapshot, commit)


def test_a_cache_that_got_only_a_part_is_not_used(hub: HubServer, tmp_path: Path) -> None:
    hub.add("acme/tiny", FILES)
    snapshot_download("acme/tiny", endpoint=hub.url, cache_dir=tmp_path, token=False, allow_patterns=["*.json"])
    assert DiskFinder(hugging_face_cache=tmp_path)(a_source()) is None


def test_a_directory_that_the_client_filled_is_used_for_its_commit(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add("acme/tiny", FILES)
    snapshot_download("acme/tiny", endpoint=hub.url, local_dir=tmp_path / "acme" / "tiny", token=False)
    finder = DiskFinder(model_directories=[tmp_path])
    found = finder(a_source(commit))
    assert found is not None
    assert (found.path, found.revision) == (tmp_path / "acme" / "tiny", commit)
    assert finder(a_source("0" * 40)) is None
