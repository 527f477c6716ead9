"""Planning from the Hub: by its real client, against a server that speaks its protocol."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.sources.hugging_face import HuggingFace
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.transfers.plan import FetchPlan
from tests.support.hub_server import Fault, HubServer

_MEMBERS = frozenset({"hf_member"})
_FILES = {"config.json": b"{}", "model.safetensors": bytes(5000), "README.md": b"#", "pytorch_model.bin": bytes(5000)}
_UNUSED = "http://127.0.0.1:9"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with HubServer() as server:
        yield server


def _source(uri: str = "owner/name", revision: str = "", *patterns: str) -> ModelSource:
    return ModelSource(kind=SourceKind.HUGGING_FACE, uri=uri, revision=revision, patterns=patterns)


def _token_file(tmp_path: Path, token: str) -> str:
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    return str(file)


def _plan(hub: HubServer, source: ModelSource, *, token_file: str = "", mirrors: tuple[str, ...] = ()) -> FetchPlan:
    options = SourceOptions(
        hugging_face_endpoints=(*mirrors, hub.url), hugging_face_token_file=token_file, answer_timeout_s=1.0
    )
    return HuggingFace(options).plan(source)


def _refused(hub: HubServer, source: ModelSource, *, token_file: str = "") -> SourceRefused:
    with pytest.raises(SourceRefused) as refused:
        _plan(hub, source, token_file=token_file)
    return refused.value


@pytest.mark.contract("A10")
def test_a_branch_is_pinned_to_its_commit_and_every_file_has_a_digest(hub: HubServer) -> None:
    first = hub.add("owner/name", _FILES)
    plan = _plan(hub, _source())
    assert plan.revision == first
    assert plan.origin == hub.url.removeprefix("http://")
    blobs = hub.repositories["owner/name"].commits[first]
    assert [(file.path, file.size) for file in plan.files] == [("config.json", 2), ("model.safetensors", 5000)]
    config, weights = plan.files
    assert (config.sha256, config.git_sha1) == ("", blobs["config.json"].git_sha1)
    assert (weights.sha256, weights.git_sha1) == (blobs["model.safetensors"].sha256, "")
    assert weights.urls == (f"{hub.url}/owner/name/resolve/{first}/model.safetensors",)
    hub.add("owner/name", {**_FILES, "config.json": b"[]"})
    assert _plan(hub, _source()).revision != first
    assert _plan(hub, _source("owner/name", first)).revision == first


def test_patterns_choose(hub: HubServer) -> None:
    hub.add("owner/name", {"a-Q4_0.gguf": b"4", "a-Q8_0.gguf": b"88"})
    assert [file.path for file in _plan(hub, _source("owner/name", "", "*Q8_0.gguf")).files] == ["a-Q8_0.gguf"]
    assert "choose one by a pattern: *Q4_0.gguf (1 B), *Q8_0.gguf (2 B)" in _refused(hub, _source()).message


def test_the_next_mirror_is_asked_and_all_of_them_are_places_to_fetch_from(hub: HubServer) -> None:
    hub.add("owner/name", _FILES)
    with HubServer() as empty:
        plan = _plan(hub, _source(), mirrors=(_UNUSED, empty.url))
    assert plan.origin == hub.url.removeprefix("http://")
    beginnings = [url.partition("/owner")[0] for url in plan.files[0].urls]
    assert beginnings == [hub.url, _UNUSED, empty.url]


def test_what_all_mirrors_say_is_told(hub: HubServer) -> None:
    with pytest.raises(SourceRefused) as refused:
        _plan(hub, _source("owner/none"), mirrors=(_UNUSED,))
    assert refused.value.is_retryable
    assert refused.value.message.startswith("127.0.0.1:9 cannot be reached: ")
    assert "; check this node's network, its proxy (HTTPS_PROXY), and the mirrors in its settings; " in str(
        refused.value
    )
    assert refused.value.message.endswith(
        "has no model owner/none that everybody may read; check the name, and if it is private name a file with a "
        "token in ROUNDHOUSE_NODE_AGENT_HUGGING_FACE_TOKEN_FILE"
    )


def test_a_token_opens_private_and_gated_repositories(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/private", _FILES, is_private=True, members=_MEMBERS)
    hub.add("owner/gated", _FILES, is_gated=True, members=_MEMBERS)
    file = _token_file(tmp_path, "hf_member")
    for uri in ("owner/private", "owner/gated"):
        plan = _plan(hub, _source(uri), token_file=file)
        assert plan.files[0].headers["authorization"] == "Bearer hf_member"
    assert "hf_member" not in json.dumps([asked.path for asked in hub.asked])


def test_the_client_s_own_token_counts_when_no_file_is_named(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.add("owner/private", _FILES, is_private=True, members=_MEMBERS)
    monkeypatch.setenv("HF_TOKEN", "hf_member")
    assert _plan(hub, _source("owner/private")).files[0].headers["authorization"] == "Bearer hf_member"
    monkeypatch.delenv("HF_TOKEN")
    hub.add("owner/name", _FILES)
    assert "authorization" not in _plan(hub, _source()).files[0].headers


def test_gated_private_missing_and_wrong_tokens_are_told_apart(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/private", _FILES, is_private=True, members=_MEMBERS)
    hub.add("owner/gated", _FILES, is_gated=True, members=_MEMBERS)
    hub.add("owner/other", _FILES, members=frozenset({"hf_other"}))
    host, other = hub.url.removeprefix("http://"), _token_file(tmp_path, "hf_other")
    assert _refused(hub, _source("owner/gated")).message == (
        f"owner/gated is gated: accept its conditions at {hub.url}/owner/gated, put a token of that account into a "
        "file on the node, and name the file in ROUNDHOUSE_NODE_AGENT_HUGGING_FACE_TOKEN_FILE"
    )
    assert _refused(hub, _source("owner/gated"), token_file=other).message == (
        f"owner/gated is gated and the account of the token in {other} has no access; "
        f"ask for it at {hub.url}/owner/gated"
    )
    for uri in ("owner/private", "owner/missing"):
        assert _refused(hub, _source(uri)).message == (
            f"{host} has no model {uri} that everybody may read; check the name, and if it is private name a file with "
            "a token in ROUNDHOUSE_NODE_AGENT_HUGGING_FACE_TOKEN_FILE"
        )
        assert _refused(hub, _source(uri), token_file=other).message == (
            f"{host} has no model {uri} that the token in {other} may read; check the name"
        )
    assert _refused(hub, _source("owner/other", "v9")).message == (
        f"owner/other has no revision v9 at {host}; write a branch, tag or commit it has"
    )
    wrong = _token_file(tmp_path, "hf_expired")
    assert _refused(hub, _source("owner/other"), token_file=wrong).message == (
        f"{host} does not take the token in {wrong}: it is wrong or has expired; put a valid one there"
    )
    hub.fail(Fault.FORBIDDEN, "/api/models/*")
    assert f"{host} forbids owner/other to strangers" in _refused(hub, _source("owner/other")).message


@pytest.mark.parametrize(
    ("fault", "said", "retry_after_s"),
    [
        (Fault.LIMITED, "lets this node ask no more for now (429); it asks to wait 7 s", 7.0),
        (Fault.UNAVAILABLE, "does not work at the moment (503)", 0.0),
        (Fault.SILENT, "did not answer in time", 0.0),
        (Fault.HUNG_UP, "cannot be reached", 0.0),
    ],
)
def test_what_passes_is_said_to_be_retryable(hub: HubServer, fault: Fault, said: str, retry_after_s: float) -> None:
    hub.add("owner/name", _FILES)
    hub.fail(fault, "/api/models/*", retry_after="7")
    refused = _refused(hub, _source())
    assert refused.is_retryable
    assert said in refused.message
    assert refused.retry_after_s == retry_after_s
    assert _plan(hub, _source()).files


def test_a_page_that_is_no_hub_is_refused(hub: HubServer) -> None:
    hub.add("owner/name", _FILES)
    hub.repositories["owner/name"].branches["main"] = "no-commit"
    hub.repositories["owner/name"].commits["no-commit"] = {}
    assert "names no commit of owner/name" in _refused(hub, _source()).message
    assert "write owner/name as the Hub shows it" in _refused(hub, _source("https://huggingface.co/a/b")).message


@pytest.mark.parametrize(
    "page", [b"<html>", b"[]", b"{}", b'{"sha": 1, "siblings": []}', b'{"siblings": [{"size": 1}]}']
)
def test_an_address_that_is_no_hub_is_refused(hub: HubServer, page: bytes) -> None:
    hub.add_file("api/models/owner/name", page)
    with pytest.raises(SourceRefused, match=r"does not answer as a hub does|names no commit") as refused:
        HuggingFace(SourceOptions(hugging_face_endpoints=(f"{hub.url}/files",))).plan(_source())
    assert not refused.value.is_retryable


def test_offline_means_offline(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("owner/name", _FILES)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused = _refused(hub, _source())
    assert refused.message.startswith("HF_HUB_OFFLINE is set for this node's agent, so the Hub is not asked")
    assert not refused.is_retryable
    assert hub.asked == []
