"""What services refuse with has a title in Chinese, whatever service says it, and their own sentence below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import roundhouse_catalog
import roundhouse_common
import roundhouse_metering
import roundhouse_router
import roundhouse_scheduler
from roundhouse_console.domain.errors import ConsoleError, FieldFault, Refused, Unreachable
from roundhouse_console.kit.refusals import refusal_title, told_in
from roundhouse_console.words import REFUSALS

_ASKED = (roundhouse_common, roundhouse_catalog, roundhouse_scheduler, roundhouse_metering, roundhouse_router)
"""Whose problems reach a person at the console."""


def _declared() -> Iterator[str]:
    """Yield the code of every class of errors and of every problem that is written down in place."""
    for package in _ASKED:
        for file in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.ClassDef():
                        yield from (code for one in node.body for code in _code_of(one))
                    case ast.AnnAssign(target=ast.Name(id="_CODES"), value=ast.Dict(values=values)):
                        yield from (text for one in values for text in _text(one))
                    case ast.Call(func=ast.Name(id="problem_response"), args=[_, _, code, *_]):
                        yield from _text(code)
                    case ast.Call(func=ast.Attribute(attr="_answer"), args=[_, code, *_]):
                        yield from _text(code)
                    case ast.Call():
                        yield from (text for one in node.keywords if one.arg == "code" for text in _text(one.value))


def _code_of(line: ast.stmt) -> list[str]:
    match line:
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            return _text(value)
        case ast.AnnAssign(target=ast.Name(id="code"), value=ast.expr() as value):
            return _text(value)
    return []


def _text(node: ast.expr) -> list[str]:
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value else []


def test_every_code_that_a_service_declares_has_a_chinese_title() -> None:
    declared = set(_declared())
    assert {"internal", "model_not_found", "no_ready_replica", "body_too_large", "records_gone"} <= declared
    assert sorted(declared - REFUSALS.keys()) == []


def test_no_title_is_left_of_a_code_that_is_gone() -> None:
    assert sorted(REFUSALS.keys() - set(_declared()) - {"http_error"}) == []


@pytest.mark.parametrize(("code", "title"), REFUSALS.items())
def test_titles_are_chinese(code: str, title: str) -> None:
    assert any("\u4e00" <= one <= "\u9fff" for one in title), code


def refused(code: str, status: int = 409) -> Refused:
    faults = [FieldFault("name", "It is taken.")]
    return Refused("catalog", status, code, 'There is a "gravity" already.', "req_1", faults)


def test_the_services_sentence_stays_below_the_title() -> None:
    lines = told_in("zh", refused("name_taken")).splitlines()
    assert lines == ["名称已被占用", 'There is a "gravity" already.', "name: It is taken."]


def test_english_has_the_services_sentence_alone() -> None:
    assert told_in("en", refused("name_taken")).splitlines()[0] == 'There is a "gravity" already.'
    assert refusal_title("name_taken", 409, "en") == ""


@pytest.mark.parametrize(("status", "title"), [(418, "请求被拒绝"), (599, "服务出错")])
def test_a_code_of_a_newer_service_says_at_least_whose_fault_it_is(status: int, title: str) -> None:
    assert told_in("zh", refused("not_known_yet", status)).splitlines()[0] == title


def test_a_failure_of_a_service_says_what_support_asks_for() -> None:
    assert told_in("zh", refused("internal", 500)).splitlines()[-1] == "请求 req_1"


def test_what_the_console_itself_says_is_all_chinese() -> None:
    assert "catalog" in told_in("zh", Unreachable("catalog", "refused"))
    assert "does not answer" not in told_in("zh", Unreachable("catalog", "refused"))
    assert told_in("zh", ConsoleError("The connection broke while the answer came.")) == "接收回答时连接中断。"
