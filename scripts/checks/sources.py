"""Which files are the project's own, for the other checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PRODUCT", "calls", "python_files"]

PRODUCT = ("libs", "services", "cli")
_EVERYTHING = (*PRODUCT, "scripts", "tests", "benchmarks")


def python_files(root: Path, folders: tuple[str, ...] = _EVERYTHING) -> Iterator[Path]:
    """Yield Python files, and programs without a suffix, below `folders`, in a stable order."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and (path.suffix == ".py" or not path.suffix) and "__pycache__" not in path.parts:
                yield path


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, full dotted name) of every call whose name can be read through the module's imports."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.split(".")[0]
                names.update({alias.asname: alias.name} if alias.asname else {head: head})
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            first, _, rest = name.partition(".")
            if first in names:
                yield node.lineno, f"{names[first]}.{rest}" if rest else names[first]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := _dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""
