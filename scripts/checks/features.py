"""docs/features.md is true: every line is well formed, its proof exists, and tests cite only ids that it has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.checks.sources import python_files

__all__ = ["check"]

_ROW = re.compile(r"^\| (?P<id>[A-H]\d\d) \| (?P<text>[^|]+) \| (?P<state>[^|]+) \| (?P<proof>[^|]*) \|$", re.MULTILINE)
_LAST = {"A": 37, "B": 13, "C": 8, "D": 23, "E": 8, "F": 7, "G": 18, "H": 20}
_STATES = {"done", "partial", "planned"}


def check(root: Path) -> list[str]:
    page = root / "docs" / "features.md"
    if not page.exists():
        return ["docs/features.md is missing"]
    rows = {row["id"]: row for row in _ROW.finditer(page.read_text(encoding="utf-8"))}
    wanted = {f"{letter}{number:02}" for letter, last in _LAST.items() for number in range(1, last + 1)}
    findings = [f"docs/features.md: {row_id} has no row" for row_id in sorted(wanted - rows.keys())]
    findings += [f"docs/features.md: {row_id} is not an id of the checklist" for row_id in sorted(rows.keys() - wanted)]
    for row_id, row in rows.items():
        findings += [f"docs/features.md: {row_id}: {text}" for text in _row_findings(root, row)]
    for path, line, cited in _citations(root):
        if cited not in rows:
            findings.append(f"{path.relative_to(root)}:{line}: contract({cited!r}) is not in docs/features.md")
        elif rows[cited]["state"].strip() == "planned":
            findings.append(
                f"{path.relative_to(root)}:{line}: contract({cited!r}) is called planned in docs/features.md"
            )
    return findings


def _row_findings(root: Path, row: re.Match[str]) -> Iterator[str]:
    state, proof = row["state"].strip(), row["proof"].strip()
    if state not in _STATES:
        yield f"state {state!r} is none of {', '.join(sorted(_STATES))}"
    paths = re.findall(r"`([^`]+)`", proof)
    if state in {"done", "partial"} and not paths:
        yield "no proof: name a test or a page"
    yield from (f"proof {path} does not exist" for path in paths if not (root / path).exists())


def _citations(root: Path) -> Iterator[tuple[Path, int, str]]:
    for path in python_files(root, ("tests",)):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "contract":
                for argument in node.args:
                    if isinstance(argument, ast.Constant):
                        yield path, node.lineno, str(argument.value)
