"""Orders as callers write them, checked: every fault by its field, with what was found and what is allowed."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

from roundhouse_common.contracts.catalog import REMOTE_SOURCES, EngineKind, ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import InstallMethod
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.words import did_you_mean, quoted
from roundhouse_scheduler.domain.provisioning.orders import NodeSelector

__all__ = ["EngineDraft", "Faults", "SelectorDraft", "SourceDraft", "check_engine", "check_nodes", "check_source"]

_ENGINES: Final = {kind.value: kind for kind in EngineKind if kind not in (EngineKind.UNKNOWN, EngineKind.CUSTOM)}
"""A custom engine is not installed: each version states its command."""
_METHODS: Final = {method.value: method for method in InstallMethod if method is not InstallMethod.UNKNOWN}
_KINDS: Final = {kind.value: kind for kind in SourceKind if kind in REMOTE_SOURCES}
_REPOSITORIES: Final = frozenset({SourceKind.HUGGING_FACE, SourceKind.MODEL_SCOPE})
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
_VARIANT: Final = re.compile(r"[0-9a-z][0-9a-z.+_-]{0,31}")
_IMAGE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/:@-]{0,254}")
_REPOSITORY: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,95}/[0-9A-Za-z][0-9A-Za-z._-]{0,95}")
_REVISION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,199}")
_PATTERN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_FEW: Final = 5
T = TypeVar("T")


class Faults:
    """What is wrong with a request, field by field."""

    def __init__(self) -> None:
        self._found: list[FieldError] = []

    def add(self, field: str, message: str) -> None:
        self._found.append(FieldError(field, message))

    def refuse(self) -> None:
        """Raise InvalidInput when anything was found."""
        if self._found:
            shown = "; ".join(f"{fault.field}: {fault.message}" for fault in self._found[:_FEW])
            raise InvalidInput(shown, *self._found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorDraft:
    node_ids: Sequence[str] = ()
    labels: Mapping[str, str]
    is_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDraft:
    engine: str
    version: str
    variant: str
    method: str
    path: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDraft:
    """The uri of an upload is its id."""

    kind: str
    uri: str
    revision: str
    patterns: Sequence[str]
    sha256: str


def check_nodes(draft: SelectorDraft, known: Collection[str], faults: Faults) -> NodeSelector:
    """Return which nodes are meant. `known` are the ids of the nodes there are."""
    given = [
        name
        for name, is_given in (("node_ids", draft.node_ids), ("labels", draft.labels), ("all", draft.is_all))
        if is_given
    ]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        faults.add("nodes", f"{found} found; state exactly one of node_ids, labels and all")
    for number, node_id in enumerate(draft.node_ids):
        if node_id not in known:
            faults.add(f"nodes.node_ids.{number}", f"{quoted(node_id)} found; {_known_words(node_id, known)}")
    return NodeSelector(node_ids=tuple(sorted(set(draft.node_ids))), labels=dict(draft.labels), is_all=draft.is_all)


def check_engine(draft: EngineDraft, faults: Faults) -> tuple[EngineKind, InstallMethod]:
    """Return the engine and how a node comes by it."""
    engine = _choice("engine", draft.engine, _ENGINES, faults, EngineKind.UNKNOWN)
    method = _choice("method", draft.method, _METHODS, faults, InstallMethod.UNKNOWN)
    if draft.version and not _VERSION.fullmatch(draft.version):
        faults.add("version", f'{quoted(draft.version)} found; a version looks like "0.32.0"; "" is the newest known')
    if draft.variant and not _VARIANT.fullmatch(draft.variant):
        faults.add("variant", f'{quoted(draft.variant)} found; a variant is a word like "cpu" or "cuda"')
    if method is InstallMethod.PATH:
        _check_path(draft.path, faults)
    elif draft.path:
        faults.add("path", f"{quoted(draft.path)} found; only the method path takes one, {draft.method} does not")
    if method is InstallMethod.IMAGE:
        if not _IMAGE.fullmatch(draft.image):
            wanted = 'state the image, e.g. "docker.io/vllm/vllm-openai:v0.32.0"'
            faults.add("image", f"{quoted(draft.image)} found; {wanted}")
    elif draft.image:
        faults.add("image", f"{quoted(draft.image)} found; only the method image takes one, {draft.method} does not")
    return engine, method


def check_source(draft: SourceDraft, faults: Faults, *, address_of: Callable[[str], ModelSource | None]) -> ModelSource:
    """Return the source. `address_of` knows where nodes read an upload."""
    kind = _choice("source.kind", draft.kind, _KINDS, faults, SourceKind.UNKNOWN)
    match kind:
        case SourceKind.HUGGING_FACE | SourceKind.MODEL_SCOPE:
            if not _REPOSITORY.fullmatch(draft.uri) or ".." in draft.uri:
                faults.add("source.uri", f'{quoted(draft.uri)} found; state owner/name, e.g. "Qwen/Qwen3-0.6B"')
        case SourceKind.HTTP:
            fault = _url_fault(draft.uri)
            if fault:
                faults.add("source.uri", f"{quoted(draft.uri)} found; {fault}")
        case SourceKind.UPLOAD:
            known = address_of(draft.uri)
            if known is not None:
                return known
            faults.add(
                "source.uri",
                f"{quoted(draft.uri)} found; no deployment was made of this upload yet: deploy its model, then order",
            )
        case _:
            pass
    _check_revision(kind, draft, faults)
    return ModelSource(
        kind=kind,
        uri=draft.uri,
        revision=draft.revision,
        patterns=tuple(dict.fromkeys(draft.patterns)),
        sha256=draft.sha256,
    )


def _check_revision(kind: SourceKind, draft: SourceDraft, faults: Faults) -> None:
    if draft.revision and kind not in _REPOSITORIES:
        faults.add("source.revision", f"{quoted(draft.revision)} found; only repositories have revisions")
    elif draft.revision and (not _REVISION.fullmatch(draft.revision) or ".." in draft.revision):
        faults.add("source.revision", f"{quoted(draft.revision)} found; state a branch, a tag or a commit")
    if draft.patterns and kind not in _REPOSITORIES:
        faults.add("source.patterns", f"{len(draft.patterns)} found; only repositories take patterns")
    for number, pattern in enumerate(draft.patterns):
        if not _PATTERN.fullmatch(pattern) or pattern.startswith("/") or ".." in pattern.split("/"):
            wanted = 'a pattern has 1 to 256 visible characters, like "*Q4_K_M*.gguf"'
            faults.add(f"source.patterns.{number}", f"{quoted(pattern)} found; {wanted}")
    if draft.sha256 and kind is not SourceKind.HTTP:
        faults.add("source.sha256", f"{quoted(draft.sha256)} found; it is stated for http only")
    elif draft.sha256 and not _SHA256.fullmatch(draft.sha256):
        faults.add("source.sha256", f"{quoted(draft.sha256)} found; state 64 hex digits in lower case")


def _check_path(path: str, faults: Faults) -> None:
    if not path.startswith("/") or ".." in path.split("/") or not path.isprintable():
        wanted = "state an absolute path without .., of an environment, its interpreter, or a program on the nodes"
        faults.add("path", f"{quoted(path)} found; {wanted}")


def _url_fault(uri: str) -> str:
    wanted = "state the address of one file, e.g. https://example.org/model.gguf"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return wanted
    if "@" in parts.netloc:
        return "leave out the user name or password, which everyone who reads the order would see"
    is_file = host and parts.scheme in {"http", "https"} and parts.path and not parts.path.endswith("/")
    return "" if is_file and uri.isascii() and uri.isprintable() and " " not in uri and not parts.fragment else wanted


def _choice(field: str, found: str, choices: Mapping[str, T], faults: Faults, otherwise: T) -> T:
    """Return the value that is meant; record a fault for one that is not known."""
    if found in choices:
        return choices[found]
    faults.add(field, f"{quoted(found)} found; allowed are {', '.join(choices)}.{did_you_mean(found, choices)}")
    return otherwise


def _known_words(node_id: str, known: Collection[str]) -> str:
    if not known:
        return "there is no node"
    shown = ", ".join(sorted(known)[:_FEW]) + (f" and {len(known) - _FEW} more" if len(known) > _FEW else "")
    return f"there are {shown}.{did_you_mean(node_id, known)}"
