"""What scripts/test does: lint, then pytest, then one last line.

    scripts/test                      lint and all tests but the slow ones
    scripts/test --slow               the slow ones too (real engines that take minutes)
    scripts/test --sim                only the simulations, with many more seeds
    scripts/test tests/unit/metering  only these; any pytest arguments
    scripts/test --no-lint -k name    without the lint

Exit codes: those of pytest, or 1 when the lint found something (the tests run all the same).
"""

import os
import sys
import time
from collections.abc import Sequence

import pytest
from scripts.checks.__main__ import main as lint

__all__ = ["main"]

_SIMULATION_SEEDS = "200"


class _Summary:
    """Counts outcomes, so that the last line can say them."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.counts = {name: len(reports) for name, reports in terminalreporter.stats.items() if name}


def main(arguments: Sequence[str]) -> int:
    """Run what was asked and return the exit code."""
    started = time.monotonic()
    own = {"--slow", "--sim", "--no-lint"} & set(arguments)
    passed_on = [argument for argument in arguments if argument not in own]
    if "--sim" in own:
        os.environ["ROUNDHOUSE_SIMULATION_SEEDS"] = _SIMULATION_SEEDS
        passed_on.append("tests/simulation")
    lint_code = None if own & {"--no-lint", "--sim"} else lint([])
    summary = _Summary()
    marks = [] if "--slow" in own else ["-m", "not slow"]
    test_code = int(pytest.main([*marks, *passed_on], plugins=[summary]))
    print(_last_line(lint_code, test_code, summary.counts, time.monotonic() - started))
    return test_code or lint_code or 0


def _last_line(lint_code: int | None, test_code: int, counts: dict[str, int], took_s: float) -> str:
    passed, skipped, left_out = (counts.get(name, 0) for name in ("passed", "skipped", "deselected"))
    failed = counts.get("failed", 0) + counts.get("error", 0)
    verdict = "PASSED" if not lint_code and not test_code else "FAILED"
    lint_text = (
        "lint not run" if lint_code is None else "lint found something, see above" if lint_code else "lint clean"
    )
    return (
        f"scripts/test: {verdict} in {took_s:.0f} s: {passed} passed, {failed} failed, {skipped} skipped "
        f"(reasons above), {left_out} not selected; {lint_text}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
