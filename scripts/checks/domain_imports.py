"""`domain/` decides and does nothing else: it may import the standard library, msgspec and the contracts, no more."""

import ast
import re
import sys
from pathlib import Path

from scripts.checks.sources import python_files

__all__ = ["check"]

_ALLOWED = re.compile(
    r"msgspec(\..+)?"
    r"|roundhouse_common\.(auth\.permissions|budgets|client_address|contracts|cron|engine_parameters|errors|model_sources|pricing|redaction_patterns|routing|runtime|sizing|spreadsheets|words)(\..+)?"
    r"|roundhouse_(?P<own>\w+)\.domain(\..+)?"
)


def check(root: Path) -> list[str]:
    findings = []
    for path in python_files(root, ("services",)):
        if "domain" not in path.parts or path.suffix != ".py":
            continue
        name = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), name)):
            for module in _imported(node):
                if module.split(".")[0] not in sys.stdlib_module_names and not _ALLOWED.fullmatch(module):
                    findings.append(f"{name}:{getattr(node, 'lineno', 0)}: domain/ must not import {module}")
    return findings


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        # `from roundhouse_common import errors` names a module by its last word.
        is_package = node.module == "roundhouse_common" or re.fullmatch(r"roundhouse_\w+", node.module) is not None
        return [f"{node.module}.{alias.name}" for alias in node.names] if is_package else [node.module]
    return []
