"""Where a model's files are, as callers state it: checked field by field, by the kind of the source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_common.contracts.catalog import ModelSource, SourceKind

__all__ = [
    "REPOSITORIES",
    "SOURCE_KINDS",
    "SourceDraft",
    "check_source",
    "is_commit",
    "is_upload_id",
    "source_of",
    "upload_address",
]

SOURCE_KINDS: Mapping[str, SourceKind] = {kind.value: kind for kind in SourceKind if kind is not SourceKind.UNKNOWN}

REPOSITORIES = frozenset({SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE})
"""Sources with branches, which can move."""

MOST_PATTERNS = 32
_REPOSITORY_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,198}[A-Za-z0-9])?")
_PATTERN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_UPLOAD_ID = re.compile(r"upl_[0-9a-f]{32}")
_MOST_URL_CHARACTERS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDraft:
    """A source as the caller wrote it. The uri of an upload is its id."""

    kind: str
    uri: str
    revision: str = ""
    patterns: tuple[str, ...] = ()
    sha256: str = ""


def check_source(draft: SourceDraft, findings: Findings) -> None:
    """Record every fault of the source under `source.<field>`."""
    fault = shapes.choice_fault(draft.kind, SOURCE_KINDS)
    if fault is not None:
        findings.add("source.kind", fault)
        return
    kind = SOURCE_KINDS[draft.kind]
    findings.add("source.uri", _uri_fault(kind, draft.uri))
    findings.add("source.revision", _revision_fault(kind, draft.revision))
    _check_patterns(kind, draft.patterns, findings)
    findings.add("source.sha256", _sha256_fault(kind, draft.sha256))


def source_of(draft: SourceDraft, *, address: str = "") -> ModelSource:
    """Return the source of a draft without fault. `address` is where nodes read the upload that it names."""
    kind = SourceKind(draft.kind)
    return ModelSource(
        kind=kind,
        uri=address if kind is SourceKind.UPLOAD else draft.uri,
        revision=draft.revision,
        patterns=tuple(dict.fromkeys(draft.patterns)),
        sha256=draft.sha256,
    )


def upload_address(public_url: str, upload_id: str, token: str) -> str:
    """Return where nodes read an upload, with the secret that lets them."""
    return f"{public_url.rstrip('/')}/api/v1/uploads/{upload_id}?token={token}"


def is_upload_id(text: str) -> bool:
    return _UPLOAD_ID.fullmatch(text) is not None


def is_commit(revision: str) -> bool:
    """Whether a revision cannot move: a full commit, not a branch or a tag."""
    return _COMMIT.fullmatch(revision) is not None


def _uri_fault(kind: SourceKind, uri: str) -> str | None:
    match kind:
        case SourceKind.PATH:
            return shapes.path_fault(uri)
        case SourceKind.PYTHON_PACKAGE:
            return shapes.package_resource_fault(uri)
        case SourceKind.HUGGING_FACE | SourceKind.MODEL_SCOPE:
            return _repository_fault(uri)
        case SourceKind.HTTP:
            return _url_fault(uri)
        case SourceKind.UPLOAD:
            wanted = "state the id of an upload, upl_ and 32 hex digits; GET /api/v1/uploads lists those there are"
            return None if is_upload_id(uri) else f"{quoted(uri)} found; {wanted}"
        case _:
            return None


def _repository_fault(uri: str) -> str | None:
    owner, slash, name = uri.partition("/")
    if slash and all(_REPOSITORY_PART.fullmatch(part) and ".." not in part for part in (owner, name)):
        return None
    return (
        f'{quoted(uri)} found; state owner/name of a repository, e.g. "Qwen/Qwen3-0.6B": each part has 1 to 96 '
        "letters, digits and ._- , with a letter or digit at both ends"
    )


def _url_fault(uri: str) -> str | None:
    wanted = "state the address of one file, e.g. https://example.org/model.gguf"
    if len(uri) > _MOST_URL_CHARACTERS:
        return f"{len(uri)} characters found; an address has {_MOST_URL_CHARACTERS} at most"
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        return f"{quoted(uri)} has blanks or characters outside of ASCII, which an address states as %XX; {wanted}"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{quoted(uri)} is no address: {error}; {wanted}"
    if "@" in parts.netloc:
        return (
            "a user name or password found in the address, which everyone who reads the model would see; leave them out"
        )
    if parts.scheme not in {"http", "https"} or not host:
        return f"{quoted(uri)} found; {wanted}"
    if parts.fragment:
        return f"{quoted(uri)} found; leave out what follows #, which no server is sent"
    if parts.path.endswith("/") or not parts.path:
        return f"{quoted(uri)} does not name a file; {wanted}"
    return None


def _revision_fault(kind: SourceKind, revision: str) -> str | None:
    if revision == "":
        return None
    if kind not in REPOSITORIES:
        return f'{quoted(revision)} found; only repositories have revisions, {kind.value} has none: leave it ""'
    if _REVISION.fullmatch(revision) and ".." not in revision and "//" not in revision:
        return None
    return (
        f"{quoted(revision)} found; a branch, tag or commit has 1 to 200 letters, digits and ._/- , "
        'with a letter or digit at both ends; "" is the main branch'
    )


def _check_patterns(kind: SourceKind, patterns: tuple[str, ...], findings: Findings) -> None:
    if patterns and kind not in REPOSITORIES:
        findings.add(
            "source.patterns", f"{len(patterns)} found; only repositories take patterns, {kind.value} is taken whole"
        )
        return
    if len(patterns) > MOST_PATTERNS:
        findings.add("source.patterns", f"{len(patterns)} found; {MOST_PATTERNS} are allowed")
        return
    for index, pattern in enumerate(patterns):
        if not _PATTERN.fullmatch(pattern) or pattern.startswith("/") or ".." in pattern.split("/"):
            findings.add(
                f"source.patterns.{index}",
                f'{quoted(pattern)} found; a pattern has 1 to 256 visible characters, like "*Q4_K_M*.gguf"; '
                "it begins inside the repository",
            )


def _sha256_fault(kind: SourceKind, sha256: str) -> str | None:
    if sha256 == "":
        return None
    if kind is not SourceKind.HTTP:
        return f'{quoted(sha256)} found; it is stated for http only, {kind.value} knows its own: leave it ""'
    if _SHA256.fullmatch(sha256):
        return None
    return f"{quoted(sha256)} found; state the 64 hex digits, in lower case, of the file's SHA-256"
