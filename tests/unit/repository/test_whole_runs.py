"""What fails in a whole run is run once more, alone: scripts/_test.py says why."""

from collections import Counter
from pathlib import Path

import pytest
from scripts._test import Outcome, run_again

ROOT = Path(__file__).resolve().parents[3]
TESTS = """
import pathlib, pytest

def test_fails_once():
    met = pathlib.Path("met")
    assert met.exists(), met.touch()

def test_fails_always():
    assert False

def test_is_skipped():
    pytest.skip("nothing is here")
"""
ONCE, ALWAYS, SKIPPED = (f"test_x.py::test_{name}" for name in ("fails_once", "fails_always", "is_skipped"))


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (tmp_path / "test_x.py").write_text(TESTS)


def failed(*tests: str) -> Outcome:
    return Outcome(int(pytest.ExitCode.TESTS_FAILED), Counter(failed=len(tests)), list(tests))


def test_what_passes_alone_is_named_and_fails_nothing(tmp_path: Path) -> None:
    outcome = failed(ONCE)
    (tmp_path / "met").touch()
    assert run_again(outcome) == [ONCE]
    assert (outcome.code, outcome.failed) == (0, [])


def test_what_fails_twice_fails_the_run(tmp_path: Path) -> None:
    outcome = failed(ONCE, ALWAYS)
    (tmp_path / "met").touch()
    assert run_again(outcome) == [ONCE]
    assert (outcome.code, outcome.failed) == (1, [ALWAYS])


@pytest.mark.parametrize(
    "outcome",
    [
        failed(SKIPPED),
        failed("test_x.py::test_that_is_not_there"),
        failed(*[ONCE] * 6),
        Outcome(int(pytest.ExitCode.INTERRUPTED), Counter(), [ONCE]),
    ],
    ids=["skipped", "not there", "too many", "interrupted"],
)
def test_a_run_is_not_saved_by_what_did_not_pass(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "met").touch()
    before = (outcome.code, list(outcome.failed))
    assert run_again(outcome) == []
    assert (outcome.code, outcome.failed) == before


def test_nothing_is_run_again_when_nothing_failed() -> None:
    assert run_again(Outcome()) == []
