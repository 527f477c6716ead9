"""From what a person types for where a model's files are to what the catalog takes."""

from pathlib import Path

from roundhouse_cli.errors import UsageFault
from roundhouse_cli.rest import Item

__all__ = ["EXAMPLES", "parse_source"]

EXAMPLES = "hf:OWNER/NAME[@REVISION], ms:OWNER/NAME[@REVISION], https://HOST/FILE, pkg:PACKAGE/FILE or a path"

_REPOSITORIES = {"hf": "hugging-face", "ms": "model-scope"}


def parse_source(text: str, *, patterns: list[str], sha256: str = "") -> Item:
    """Return the source that is meant. Raises UsageFault with the forms there are."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme in _REPOSITORIES:
        name, _, revision = rest.partition("@")
        return _given(kind=_REPOSITORIES[scheme], uri=name, revision=revision, patterns=patterns)
    if text.startswith(("https://", "http://")):
        return _given(kind="http", uri=text, sha256=sha256, patterns=patterns)
    if colon and scheme == "pkg":
        return _given(kind="python-package", uri=rest)
    if text.startswith(("/", "./", "../", "~")):
        return _given(kind="path", uri=str(Path(text).expanduser().absolute()))
    raise UsageFault(f"{text!r} is no source of a model; write {EXAMPLES}.")


def _given(**values: object) -> Item:
    """Leave out what was not stated."""
    return {name: value for name, value in values.items() if value}
