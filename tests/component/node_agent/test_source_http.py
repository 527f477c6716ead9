"""Planning single files by address, and uploads to the catalog."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.sources.kinds import sources
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.transfers.plan import FetchPlan
from tests.support.hub_server import Fault, HubServer

_SHA256 = "ab" * 32


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def _plan(
    uri: str, *patterns: str, sha256: str = "", kind: SourceKind = SourceKind.HTTP, tokens_file: str = ""
) -> FetchPlan:
    options = SourceOptions(http_tokens_file=tokens_file, answer_timeout_s=1.0)
    return sources(options)[kind].plan(ModelSource(kind=kind, uri=uri, sha256=sha256, patterns=patterns))


def _refused(uri: str, *patterns: str, sha256: str = "", kind: SourceKind = SourceKind.HTTP) -> SourceRefused:
    with pytest.raises(SourceRefused) as refused:
        _plan(uri, *patterns, sha256=sha256, kind=kind)
    return refused.value


def test_a_file_has_its_name_its_length_and_the_stated_digest(hub: HubServer) -> None:
    url = hub.add_file("models/a model.gguf", bytes(1234)).replace(" ", "%20")
    (file,) = _plan(url, sha256=_SHA256.upper()).files
    assert (file.path, file.size, file.sha256, file.urls) == ("a model.gguf", 1234, _SHA256, (url,))
    assert [asked.method for asked in hub.asked] == ["HEAD"]
    assert hub.sent_bytes() == 0


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("?as=other.gguf", "other.gguf"),
        ("?as=../../etc/passwd", "passwd"),
        ("?as=..%5C..%5Cx.gguf", "x.gguf"),
        ("?as=..", "a.gguf"),
        ("", "a.gguf"),
    ],
)
def test_what_the_server_calls_it_is_its_name_and_never_a_path(hub: HubServer, told: str, name: str) -> None:
    (file,) = _plan(hub.add_file("a.gguf", b"x") + told).files
    assert file.path == name


def test_a_server_without_head_is_asked_for_one_byte(hub: HubServer) -> None:
    url = hub.add_file("a.gguf", bytes(1234))
    hub.fail(Fault.HEAD_REFUSED, times=-1)
    assert _plan(url).files[0].size == 1234
    assert [(asked.method, asked.range) for asked in hub.asked] == [("HEAD", ""), ("GET", "bytes=0-0")]
    hub.fail(Fault.RANGE_IGNORED)
    assert _plan(url).files[0].size == 1234


def test_any_part_of_a_split_file_stands_for_all(hub: HubServer) -> None:
    names = [f"big-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]
    urls = [hub.add_file(f"models/{name}", bytes(number)) for number, name in enumerate(names, 10)]
    plan = _plan(urls[1], sha256=_SHA256)
    assert [(file.path, file.size, file.urls) for file in plan.files] == [
        (name, size, (url,)) for name, size, url in zip(names, (10, 11, 12), urls, strict=True)
    ]
    assert {file.sha256 for file in plan.files} == {""}
    del hub.files["models/" + names[2]]
    assert f"has no file at {urls[2]} (404)" in _refused(urls[0]).message


def test_a_token_goes_only_where_it_belongs(hub: HubServer, tmp_path: Path) -> None:
    url = hub.add_file("team/a.gguf", b"x")
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({f"{hub.url}/files/team": "secret", "https://elsewhere.example": "other"}))
    file.chmod(0o600)
    assert _plan(url, tokens_file=str(file)).files[0].headers == {"Authorization": "Bearer secret"}
    assert hub.asked[-1].token == "secret"
    assert _plan(hub.add_file("a.gguf", b"x"), tokens_file=str(file)).files[0].headers == {}
    hub.fail(Fault.FORBIDDEN, times=2)
    with pytest.raises(SourceRefused, match=r"does not take the token that .*tokens\.json has for") as refused:
        _plan(url, tokens_file=str(file))
    assert "secret" not in refused.value.message


def test_what_cannot_be_a_model_file_is_refused(hub: HubServer) -> None:
    page = hub.add_file("model.html", b"<html>").replace("model.html", "model")
    hub.files["model"] = hub.files.pop("model.html")
    assert _refused(page).message == (
        f"{page} is a web page, not a file; give the address that the download button has"
    )
    assert "is no http or https address" in _refused("ftp://example.org/a.gguf").message
    assert "must be 64 hex digits, not 'abc'" in _refused(f"{hub.url}/a", sha256="abc").message
    assert "has no file name" in _refused(hub.add_file("folder/", b"x")).message


def test_refusals_say_what_to_do_and_hide_secrets(hub: HubServer) -> None:
    secret = f"{hub.url}/files/a.gguf?signature=very-secret"
    host = hub.url.removeprefix("http://")
    assert _refused(secret).message == f"{host} has no file at {hub.url}/files/a.gguf (404); check the address"
    hub.fail(Fault.FORBIDDEN, times=2)
    forbidden = _refused(secret)
    assert "if it needs a token, put it into the file that ROUNDHOUSE_NODE_AGENT_HTTP_TOKENS_FILE" in forbidden.message
    assert not forbidden.is_retryable
    assert "very-secret" not in forbidden.message
    for fault in (Fault.LIMITED, Fault.UNAVAILABLE, Fault.SILENT, Fault.HUNG_UP):
        hub.heal()
        hub.fail(fault, times=2)
        refused = _refused(secret)
        assert refused.is_retryable, fault
        assert "very-secret" not in refused.message
    unreachable = _refused("http://user:very-secret@127.0.0.1:9/a.gguf")
    assert unreachable.is_retryable
    assert "very-secret" not in unreachable.message


@pytest.mark.contract("A25")
def test_an_upload_is_fetched_whole_with_its_digests(hub: HubServer) -> None:
    uri = hub.add_upload("u1", "s3cret", {"sub/model.gguf": b"GGUF", "chat template.jinja": b"{{ x }}"})
    plan = _plan(uri, kind=SourceKind.UPLOAD)
    assert [(file.path, file.size, bool(file.sha256)) for file in plan.files] == [
        ("chat template.jinja", 7, True),
        ("sub/model.gguf", 4, True),
    ]
    assert plan.files[0].urls == (f"{hub.url}/api/v1/uploads/u1/files/chat%20template.jinja?token=s3cret",)
    assert plan.origin == f"the catalog at {hub.url.removeprefix('http://')}"
    assert [file.path for file in _plan(uri, "*.gguf", kind=SourceKind.UPLOAD).files] == ["sub/model.gguf"]


def test_refusals_of_the_catalog_hide_the_secret(hub: HubServer) -> None:
    uri = hub.add_upload("u1", "s3cret", {"a.gguf": b""})
    host = hub.url.removeprefix("http://")
    kind = SourceKind.UPLOAD
    for closed in (uri.replace("s3cret", "wr0ng"), uri.replace("u1", "u2")):
        assert _refused(closed, kind=kind).message == (
            f"the catalog at {host} does not open this upload (401): it was deleted, or has another secret by now; "
            "upload the files again, or set the model's source to the upload again"
        )
    assert "is not the address of an upload" in _refused(f"{hub.url}/files/a?token=s3cret", kind=kind).message
    assert "the upload has no files" in _refused(hub.add_upload("u3", "s3cret", {}), kind=kind).message
    hub.fail(Fault.UNAVAILABLE)
    unavailable = _refused(uri, kind=kind)
    assert unavailable.is_retryable
    assert unavailable.message == f"{host} does not work at the moment (503)"
