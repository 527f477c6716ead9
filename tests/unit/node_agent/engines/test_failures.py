"""Every known failure of an engine becomes a class, a cause and an advice."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from roundhouse_node_agent.domain.engine_run import Diagnosis
from roundhouse_node_agent.engines.diagnosis import COMMON_RULES, diagnose
from roundhouse_node_agent.engines.engine import Ending
from roundhouse_node_agent.engines.llama_family import LLAMA_RULES

FAILURES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("failures.toml").read_text())["failure"]
BEFORE = ["INFO loading", "INFO using 1 device"]
AFTER = ["INFO cleaning up"]
RULES = {"llama.cpp": LLAMA_RULES}
DECIDED = [failure for failure in FAILURES if failure["kind"] not in {"killed", "crashed", "unknown"}]


def ending(failure: dict[str, Any], lines: list[str]) -> Ending:
    signal = failure.get("signal")
    return Ending(code=None if signal else failure.get("code", 1), signal=signal, lines=lines, ran_s=12.4)


def diagnosed(failure: dict[str, Any]) -> Diagnosis:
    rules = RULES.get(failure.get("engine", ""), COMMON_RULES)
    return diagnose(ending(failure, [*BEFORE, *failure["lines"], *AFTER]), rules)


@pytest.mark.contract("A32")
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure["name"])
def test_a_failure_is_named_with_its_cause_and_what_to_do(failure: dict[str, Any]) -> None:
    diagnosis = diagnosed(failure)

    assert diagnosis.kind == failure["kind"], diagnosis
    for words in failure["words"]:
        assert words in diagnosis.text
    assert "\n" not in diagnosis.text
    assert len(diagnosis.text) < 600


@pytest.mark.parametrize("failure", DECIDED, ids=lambda failure: failure["name"])
def test_the_decisive_lines_begin_with_the_cause(failure: dict[str, Any]) -> None:
    diagnosis = diagnosed(failure)
    assert BEFORE[0] not in diagnosis.lines
    assert any(line[:400] == diagnosis.lines[0] for line in failure["lines"])


def test_every_rule_is_proven_by_a_line() -> None:
    lines = [line for failure in FAILURES for line in failure["lines"]]
    unproven = [rule.pattern.pattern for rule in LLAMA_RULES if not any(rule.pattern.search(line) for line in lines)]
    assert unproven == [], "rules without a sample in failures.toml"


def test_the_text_names_the_class() -> None:
    assert Diagnosis(kind="disk_full", summary="the disk is full", advice="free some").text == (
        "disk_full: the disk is full; free some"
    )
    assert Diagnosis(kind="stopped", summary="it was stopped").text == "it was stopped"
