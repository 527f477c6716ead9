"""No file over 500 lines: split by concept before it gets there."""

from pathlib import Path

from scripts.checks.sources import python_files

__all__ = ["check"]

_MOST_LINES = 500


def check(root: Path) -> list[str]:
    findings = []
    for path in python_files(root):
        lines = path.read_bytes().count(b"\n")
        if lines > _MOST_LINES:
            findings.append(f"{path.relative_to(root)}: {lines} lines; {_MOST_LINES} are the most")
    return findings
