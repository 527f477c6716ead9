"""Every text of the console has Chinese words, with the same places to fill in."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import roundhouse_console
from roundhouse_console.domain.words import chosen_language, translated
from roundhouse_console.words import CHINESE, FROM_SERVICES

_PACKAGE = Path(roundhouse_console.__file__).parent
_PLACE = re.compile(r"\{(\w+)[:|}]")
_SAID = ("t", "Unfit", "ConsoleError")
"""What is called with a text that a person reads."""
_ONE_OR_MANY = re.compile(r"\{(count|n|devices|left|requests|tokens|replicas|cores|all|total)\} ([a-z]+ )?[a-z]+s\b")
"""A number that the words after it have to fit."""


def _texts() -> Iterator[tuple[str, str]]:
    """Yield place and text of every literal that is translated: `t("...")`, reasons, titles of pages, templates."""
    for file in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                where = f"{file.relative_to(_PACKAGE)}:{node.lineno}"
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                texts = (
                    node.args[:1] if name in _SAID else [one.value for one in node.keywords if _is_text(name, one.arg)]
                )
                yield from (
                    (where, one.value) for one in texts if isinstance(one, ast.Constant) and isinstance(one.value, str)
                )
    for file in sorted((_PACKAGE / "templates").glob("*.html")):
        for found in re.findall(r'\bt\("([^"]+)"', file.read_text(encoding="utf-8")):
            yield file.name, found


def _is_text(call: str, keyword: str | None) -> bool:
    return (call, keyword) in {("Page", "title"), ("Concern", "what")}


def test_every_text_has_chinese_words() -> None:
    missing = sorted({f"{where}: {text}" for where, text in _texts() if text and text not in CHINESE})
    assert missing == []


def test_no_words_are_left_of_texts_that_are_gone() -> None:
    source = "\n".join(
        file.read_text(encoding="utf-8")
        for file in [*_PACKAGE.rglob("*.py"), *_PACKAGE.rglob("*.html")]
        if file.parent.name != "words"
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    assert [text for text in CHINESE if text not in joined and text not in FROM_SERVICES] == []


@pytest.mark.parametrize(("english", "chinese"), CHINESE.items())
def test_both_languages_fill_in_the_same(english: str, chinese: str) -> None:
    assert set(_PLACE.findall(english)) == set(_PLACE.findall(chinese))


def test_the_language_is_the_chosen_one_else_the_browsers_first_that_there_is() -> None:
    assert chosen_language("zh", "en") == "zh"
    assert chosen_language("", "fr-FR,zh-CN;q=0.8,en;q=0.5") == "zh"
    assert chosen_language("tlh", "fr") == "en"


def test_values_are_filled_in_once_and_as_they_are() -> None:
    """A model may be called `{b}`: that is its name, and no place to fill in."""
    assert translated("{a} of {b}", "en", {}, a="{b}", b="<i>") == "{b} of <i>"


def test_words_go_with_their_number() -> None:
    assert translated("{n|node|nodes}", "en", {}, n=1) == "1 node"
    assert translated("{n|node|nodes}", "en", {}, n=0) == "0 nodes"
    assert translated("Its {n} {n:node is|nodes are}", "en", {}, n="21") == "Its 21 nodes are"
    assert translated("{n|node|nodes}", "zh", {"{n|node|nodes}": "{n} 个节点"}, n=1) == "1 个节点"


def test_no_text_counts_one_things() -> None:
    """`1 nodes` is wrong: write `{count|node|nodes}`."""
    assert sorted({f"{where}: {text}" for where, text in _texts() if _ONE_OR_MANY.search(text)}) == []


def test_reasons_about_what_was_typed_are_translatable() -> None:
    """A bare ValueError with a sentence would be English in every language."""
    bare = []
    for file in sorted((_PACKAGE / "domain").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                call = node.exc
                if isinstance(call.func, ast.Name) and call.func.id == "ValueError" and _is_english(call.args):
                    bare.append(f"{file.name}:{node.lineno}")
    assert bare == []


def _is_english(given: list[ast.expr]) -> bool:
    return bool(given) and isinstance(given[0], ast.Constant | ast.JoinedStr)
