"""What scripts/test does: lint, then pytest, then one last line.

    scripts/test                      lint and all tests but the slow ones
    scripts/test --slow               the slow ones too (real engines that take minutes)
    scripts/test --sim                only the simulations, with 2,000 seeds over all cores
    scripts/test tests/unit/metering  only these; any pytest arguments
    scripts/test --no-lint -k name    without the lint

Exit codes: those of pytest, or 1 when the lint found something (the tests run all the same).

A few tests that fail in the crowd of a whole run are run once more, alone, when all else has ended, as CPython's own
test runner can. One that passes then does not fail the run, but is named, and counted in the last line as unsteady: it
is a defect of the test or of what it tests, and is to be mended.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from scripts.checks.__main__ import main as lint

__all__ = ["Outcome", "main", "run_again"]

_SIMULATION_SEEDS = "2000"

_APART = (("tests/process", "--ignore=tests/process/router"), ("tests/process/router", "tests/e2e"))
"""These wait for servers and engines more than they compute, so they run in processes of their own beside the lint,
which takes one core, and then beside all others, which take every core."""

_NICENESS = 5
"""Of the lint and of all others: what waits for servers takes longest, and is to compute at once when it does."""

_COUNTS = "ROUNDHOUSE_TEST_COUNTS"
"""Names a file: the outcomes are added up by the process that reads it."""

_MOST_RUN_AGAIN = 5
"""More failures than these have one cause, and it is not the crowd."""


@dataclass
class Outcome:
    """What came out of one run of pytest; another process reads it from a file."""

    code: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """Node ids, each once."""

    def add(self, other: "Outcome") -> None:
        """Take in a part; that it had nothing to run counts only where no part had."""
        nothing = int(pytest.ExitCode.NO_TESTS_COLLECTED)
        self.code = max((code for code in (self.code, other.code) if code != nothing), default=nothing)
        self.counts += other.counts
        self.failed += other.failed


class _Summary:
    """Counts outcomes, so that the last line can say them; keeps them in a file where another process adds them up."""

    def __init__(self) -> None:
        self.outcome = Outcome()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        stats = terminalreporter.stats
        self.outcome.counts = Counter({name: len(reports) for name, reports in stats.items() if name})
        bad = (report.nodeid for name in ("failed", "error") for report in stats.get(name, ()))
        self.outcome.failed = list(dict.fromkeys(bad))
        if keep := os.environ.get(_COUNTS):
            Path(keep).write_text(json.dumps({"counts": self.outcome.counts, "failed": self.outcome.failed}))


def main(arguments: Sequence[str]) -> int:
    """Run what was asked and return the exit code."""
    started = time.monotonic()
    own = {"--slow", "--sim", "--no-lint"} & set(arguments)
    passed_on = [argument for argument in arguments if argument not in own]
    passed_on = passed_on if "--slow" in own else ["-m", "not slow", *passed_on]
    if "--sim" in own:
        os.environ["ROUNDHOUSE_SIMULATION_SEEDS"] = _SIMULATION_SEEDS
        passed_on += ["-n", "logical", "tests/simulation"]
    _keep_bytecode()
    is_all = "--sim" not in own and not any(Path(item.split("::")[0]).exists() for item in passed_on)
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(_apart([*passed_on, *part])) for part in _APART] if is_all else []
        beside = _beside() if is_all else []
        lint_code = None if own & {"--no-lint", "--sim"} else lint([])
        outcome = _pytest([*beside, *passed_on])
    for part in parts:
        outcome.add(part)
    unsteady = run_again(outcome) if is_all else []
    if _COUNTS not in os.environ:
        print(_last_line(lint_code, outcome, unsteady, time.monotonic() - started))
    return outcome.code or lint_code or 0


def run_again(outcome: Outcome) -> list[str]:
    """Run a few failures once more, with nothing beside them; take those that passed out of `outcome`, return them."""
    if not 0 < len(outcome.failed) <= _MOST_RUN_AGAIN or outcome.code != int(pytest.ExitCode.TESTS_FAILED):
        return []
    print(f"\nscripts/test: {len(outcome.failed)} failed, see above; running them once more, alone", flush=True)
    with _apart(outcome.failed) as again:
        pass
    passed = [test for test in outcome.failed if test not in again.failed]
    if again.code not in (int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED)) or again.counts["skipped"]:
        return []
    outcome.failed = again.failed
    outcome.code = again.code
    return passed


def _beside() -> list[str]:
    """Give way to the processes that run apart, and return the arguments for what is left.

    A worker begins with half of the tests as they are listed, so that a module shares its servers in one process.
    """
    os.nice(_NICENESS)
    left_out = (one for part in _APART for one in part if not one.startswith("-"))
    return ["-n", "logical", "--dist", "worksteal", *(f"--ignore={one}" for one in left_out)]


def _keep_bytecode() -> None:
    """Let Python keep what it compiles: the tests start hundreds of processes, and pytest rewrites every test file."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _pytest(arguments: Sequence[str]) -> Outcome:
    summary = _Summary()
    summary.outcome.code = int(pytest.main([*arguments], plugins=[summary]))
    return summary.outcome


@contextlib.contextmanager
def _apart(arguments: Sequence[str]) -> Iterator[Outcome]:
    """Run what starts servers in a process of its own beside the body, and show its output when both have ended."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as directory:
        output, counts = Path(directory, "output"), Path(directory, "counts")
        command = [sys.executable, "-m", "scripts._test", "--slow", "--no-lint", *arguments]
        environment = os.environ | {_COUNTS: str(counts)}
        with (
            output.open("wb") as file,
            subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT) as process,
        ):
            yield outcome
        outcome.code = process.returncode
        print(output.read_text(errors="replace"), flush=True)
        if counts.exists():
            kept = json.loads(counts.read_text())
            outcome.counts, outcome.failed = Counter(kept["counts"]), kept["failed"]


def _last_line(lint_code: int | None, outcome: Outcome, unsteady: Sequence[str], took_s: float) -> str:
    passed, skipped, left_out = (outcome.counts[name] for name in ("passed", "skipped", "deselected"))
    failed = outcome.counts["failed"] + outcome.counts["error"] - len(unsteady)
    verdict = "PASSED" if not lint_code and not outcome.code else "FAILED"
    lint_text = (
        "lint not run" if lint_code is None else "lint found something, see above" if lint_code else "lint clean"
    )
    named = "".join(f"\nscripts/test: UNSTEADY, failed in the whole run and passed alone: {test}" for test in unsteady)
    return (
        f"{named}\nscripts/test: {verdict} in {took_s:.0f} s: {passed + len(unsteady)} passed, {failed} failed, "
        f"{len(unsteady)} unsteady, {skipped} skipped (reasons above), {left_out} not selected; {lint_text}"
    ).lstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
