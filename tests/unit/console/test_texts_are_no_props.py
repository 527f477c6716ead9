"""Texts of people never go through NiceGUI's parser of props, where a quote begins an attribute; dialogs have names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import roundhouse_console

_PACKAGE = Path(roundhouse_console.__file__).parent


def _is_ours(value: ast.expr) -> bool:
    """Say whether a place in a string holds a word of the console: `t("...")` without values, or a constant."""
    if isinstance(value, ast.Name):
        return value.id.isupper()
    is_word = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "t"
    return is_word and not value.keywords and isinstance(value.args[0], ast.Constant)  # type: ignore[attr-defined]


def _parsed(file: Path) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "props":
            for argument in node.args:
                yield f"{file.relative_to(_PACKAGE)}:{node.lineno}", argument


def test_props_are_written_from_our_own_words_only() -> None:
    wrong = []
    for file in sorted(_PACKAGE.rglob("*.py")):
        for where, argument in _parsed(file):
            for one in ast.walk(argument):
                if isinstance(one, ast.FormattedValue) and not _is_ours(one.value):
                    wrong.append(f"{where}: {ast.unparse(one.value)}: set it with .props[name] = value")
    assert wrong == []


def test_every_dialog_has_a_name() -> None:
    """A screen reader says nothing of a dialog without one."""
    nameless = []
    for file in sorted(_PACKAGE.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.With) and "ui.dialog()" in ast.unparse(node.items[0]):
                body = ast.unparse(ast.Module(body=node.body, type_ignores=[]))
                if "dialog.props['aria-label'] =" not in body:
                    nameless.append(f"{file.relative_to(_PACKAGE)}:{node.lineno}")
    assert nameless == []
