"""The Hub server of these tests speaks the protocol: the Hub's own client works against it, faults included."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.support.hub_server import Fault, HubServer

_WEIGHTS = bytes(range(256)) * 1000
_CLIENT_WRITES_BYTES = 10 * 1024 * 1024
"""What the client writes at once; of an interrupted download it keeps whole ones."""
_FILES = {"config.json": b'{"model_type": "llama"}', "model.safetensors": _WEIGHTS, "sub/a file.txt": b"text"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield server


def test_the_client_reads_a_repository(hub: HubServer) -> None:
    commit = hub.add("owner/name", _FILES)
    info = HfApi(endpoint=hub.url).model_info("owner/name", files_metadata=True)
    assert info.sha == commit
    assert info.siblings is not None
    assert {file.rfilename: file.size for file in info.siblings} == {path: len(data) for path, data in _FILES.items()}
    large = next(file for file in info.siblings if file.rfilename == "model.safetensors")
    assert large.lfs is not None
    assert large.lfs.sha256 == next(iter(hub.repositories.values())).commits[commit]["model.safetensors"].sha256


def test_the_client_downloads_a_repository_whole(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/name", _FILES)
    found = Path(snapshot_download("owner/name", endpoint=hub.url, cache_dir=tmp_path, token=False))
    assert {str(file.relative_to(found)): file.read_bytes() for file in found.rglob("*") if file.is_file()} == _FILES


def test_the_client_s_own_command_finds_the_server_by_the_environment(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/name", _FILES)
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    command: list[str | Path] = [
        Path(sys.executable).with_name("hf"),
        "download",
        "owner/name",
        "--local-dir",
        tmp_path / "files",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert {path: (tmp_path / "files" / path).read_bytes() for path in _FILES} == _FILES


def test_the_client_resumes_after_a_cut(hub: HubServer, tmp_path: Path) -> None:
    weights = bytes(11 * _CLIENT_WRITES_BYTES // 10)
    hub.add("owner/name", {"model.safetensors": weights})
    hub.fail(Fault.CUT, "/cdn/*", after_bytes=_CLIENT_WRITES_BYTES + 1000)
    found = hf_hub_download("owner/name", "model.safetensors", endpoint=hub.url, cache_dir=tmp_path, token=False)
    assert Path(found).read_bytes() == weights
    ranges = [asked.range for asked in hub.asked if asked.path.startswith("/cdn/")]
    assert ranges == ["", f"bytes={_CLIENT_WRITES_BYTES}-"]


def test_a_token_goes_to_the_hub_and_not_to_the_delivery_network(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/name", _FILES, is_private=True, members=frozenset({"hf_member"}))
    found = hf_hub_download("owner/name", "model.safetensors", endpoint=hub.url, cache_dir=tmp_path, token="hf_member")
    assert Path(found).read_bytes() == _WEIGHTS
    assert {asked.token for asked in hub.asked if asked.path.startswith("/cdn/")} == {""}


def test_refusals_are_the_client_s_own_errors(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/private", _FILES, is_private=True, members=frozenset({"hf_member"}))
    hub.add("owner/gated", _FILES, is_gated=True, members=frozenset({"hf_member"}))
    hub.add("owner/other", _FILES, members=frozenset({"hf_other"}))
    api = HfApi(endpoint=hub.url, token=False)
    with pytest.raises(HfHubHTTPError, match="401"):
        api.model_info("owner/private")
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("owner/private", token="hf_other")
    assert api.model_info("owner/gated").gated == "manual"
    with pytest.raises(RevisionNotFoundError):
        api.model_info("owner/gated", revision="v9")
    for token in ("hf_member", False):
        wanted = RemoteEntryNotFoundError if token else GatedRepoError
        with pytest.raises(wanted):
            hf_hub_download("owner/gated", "none.json", endpoint=hub.url, cache_dir=tmp_path, token=token)
    with pytest.raises(HfHubHTTPError, match="401"):
        api.model_info("owner/gated", token="hf_unknown")


def test_wrong_bytes_come_as_asked(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/name", _FILES)
    hub.fail(Fault.WRONG, "/cdn/*", after_bytes=5)
    found = hf_hub_download("owner/name", "model.safetensors", endpoint=hub.url, cache_dir=tmp_path, token=False)
    assert Path(found).read_bytes() == _WEIGHTS[:5] + bytes([_WEIGHTS[5] ^ 0xFF]) + _WEIGHTS[6:]
    assert hub.sent_bytes("/cdn/*") == len(_WEIGHTS)
