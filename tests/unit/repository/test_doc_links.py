"""Links between the documents lead somewhere, also those to a heading."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SKIPPED = {".venv", ".venv-peers", "node_modules", "build", "tests"}


def documents() -> list[Path]:
    found = [path for path in ROOT.rglob("*.md") if not _SKIPPED & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts))


def anchors(text: str) -> set[str]:
    """Return what GitHub and most others make of the headings."""
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(_CODE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    dead = []
    for link in _LINK.findall(_CODE.sub("", document.read_text())):
        if "://" in link or link.startswith(("mailto:", "/")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            dead.append(link)
    assert not dead


def test_there_are_documents_to_look_at() -> None:
    assert {"README.md", "docs/operations.md"} <= {str(path.relative_to(ROOT)) for path in documents()}
