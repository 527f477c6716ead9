"""Planning from ModelScope's HTTP API, against a server that answers as it has been seen to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.sources.model_scope import ModelScope
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.transfers.plan import FetchPlan
from tests.support.hub_server import Fault, HubServer

_MEMBERS = frozenset({"ms_member"})
_FILES = {"config.json": b"{}", "model.safetensors": bytes(5000), "README.md": b"#"}
_LISTED_AT_ONCE = 3000


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def _source(uri: str = "owner/name", revision: str = "", *patterns: str) -> ModelSource:
    return ModelSource(kind=SourceKind.MODEL_SCOPE, uri=uri, revision=revision, patterns=patterns)


def _token_file(tmp_path: Path, token: str) -> str:
    file = tmp_path / "token"
    file.write_text(token)
    file.chmod(0o600)
    return str(file)


def _plan(hub: HubServer, source: ModelSource, *, token_file: str = "", mirrors: tuple[str, ...] = ()) -> FetchPlan:
    options = SourceOptions(
        model_scope_endpoints=(*mirrors, hub.url), model_scope_token_file=token_file, answer_timeout_s=1.0
    )
    return ModelScope(options).plan(source)


def _refused(hub: HubServer, source: ModelSource, *, token_file: str = "") -> SourceRefused:
    with pytest.raises(SourceRefused) as refused:
        _plan(hub, source, token_file=token_file)
    return refused.value


@pytest.mark.contract("A10")
def test_a_branch_is_pinned_to_its_commit_and_every_file_has_a_digest(hub: HubServer) -> None:
    commit = hub.add("owner/name", _FILES)
    plan = _plan(hub, _source())
    assert plan.revision == commit
    assert [(file.path, file.size) for file in plan.files] == [("config.json", 2), ("model.safetensors", 5000)]
    blobs = hub.repositories["owner/name"].commits[commit]
    assert [file.sha256 for file in plan.files] == [blobs[file.path].sha256 for file in plan.files]
    assert plan.files[0].urls == (f"{hub.url}/api/v1/models/owner/name/repo?Revision={commit}&FilePath=config.json",)
    assert plan.files[0].headers == {}


def test_a_repository_with_more_files_than_are_listed_at_once_is_walked(hub: HubServer) -> None:
    many = {f"data/{folder}/{number}.txt": b"" for folder in range(2) for number in range(2000)}
    hub.add("owner/name", {**_FILES, **many, "data/last.gguf": b"GGUF"})
    plan = _plan(hub, _source("owner/name", "", "data/1/*", "data/last.gguf"))
    assert len(plan.files) == 2001
    listings = [asked.query.get("Root", "") for asked in hub.asked]
    assert listings == ["", "", "data", "data", "data/0", "data/1"]
    assert len(hub.repositories["owner/name"].commits[plan.revision]) > _LISTED_AT_ONCE


def test_the_next_mirror_is_asked(hub: HubServer) -> None:
    hub.add("owner/name", _FILES)
    plan = _plan(hub, _source(), mirrors=("http://127.0.0.1:9",))
    assert plan.origin == hub.url.removeprefix("http://")
    assert [url.partition("/api")[0] for url in plan.files[0].urls] == [hub.url, "http://127.0.0.1:9"]


def test_refusals_are_told_apart(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/private", _FILES, is_private=True, members=_MEMBERS)
    hub.add("owner/gated", _FILES, is_gated=True, members=_MEMBERS)
    hub.add("owner/name", _FILES, members=frozenset({"ms_other"}))
    host, other = hub.url.removeprefix("http://"), _token_file(tmp_path, "ms_other")
    assert _refused(hub, _source("owner/private")).message == (
        f"{host} has no model owner/private that everybody may read; check the name, and if it is private name a file "
        "with a token in ROUNDHOUSE_NODE_AGENT_MODEL_SCOPE_TOKEN_FILE"
    )
    assert _refused(hub, _source("owner/private"), token_file=other).message == (
        f"{host} has no model owner/private that the token in {other} may read; check the name"
    )
    assert _refused(hub, _source("owner/gated"), token_file=other).message == (
        f"{host} does not let this node read owner/gated: ask for access at {hub.url}/models/owner/gated with the "
        "account whose token is in the file that ROUNDHOUSE_NODE_AGENT_MODEL_SCOPE_TOKEN_FILE names"
    )
    assert _refused(hub, _source("owner/name", "v9")).message == (
        f"owner/name has no revision v9 at {host}; it has main, master"
    )
    expired = _token_file(tmp_path, "ms_expired")
    assert _refused(hub, _source(), token_file=expired).message == (
        f"{host} does not take the token in {expired}: it is wrong or has expired"
    )
    assert "write owner/name" in _refused(hub, _source("name")).message


def test_a_token_opens_what_is_private(hub: HubServer, tmp_path: Path) -> None:
    hub.add("owner/private", _FILES, is_private=True, members=_MEMBERS)
    plan = _plan(hub, _source("owner/private"), token_file=_token_file(tmp_path, "ms_member"))
    assert plan.files[0].headers == {"Authorization": "Bearer ms_member", "Cookie": "m_session_id=ms_member"}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.LIMITED, "lets this node ask no more for now (429); it asks to wait 7 s"),
        (Fault.UNAVAILABLE, "does not work at the moment (503)"),
        (Fault.SILENT, "did not answer in time"),
        (Fault.HUNG_UP, "cannot be reached"),
    ],
)
def test_what_passes_is_said_to_be_retryable(hub: HubServer, fault: Fault, said: str) -> None:
    hub.add("owner/name", _FILES)
    hub.fail(fault, "*/repo/files", retry_after="7")
    refused = _refused(hub, _source())
    assert refused.is_retryable
    assert said in refused.message
    assert _plan(hub, _source()).files


def test_an_address_that_is_no_hub_is_refused(hub: HubServer) -> None:
    page = hub.add_file("api/v1/models/owner/name/repo/files", b"<html>").removesuffix(
        "/api/v1/models/owner/name/repo/files"
    )
    with pytest.raises(SourceRefused, match="does not answer as a hub does") as refused:
        ModelScope(SourceOptions(model_scope_endpoints=(page,))).plan(_source())
    assert not refused.value.is_retryable
