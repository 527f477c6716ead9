"""From the last lines of a failed engine to a sentence a person can act on.

`diagnose` is pure: rules are tried in order, each against every line from the first to the last, because the first
error is the cause and what follows are its consequences. Engines wrap their errors ("Engine core initialization
failed. See root cause above"): what no rule knows is followed to the first error above the wrapper.
"""

import re
import signal as signals
from collections.abc import Sequence

from roundhouse_node_agent.domain.engine_run import Diagnosis
from roundhouse_node_agent.engines.engine import Ending
from roundhouse_node_agent.engines.failure_rules import COMMON_RULES
from roundhouse_node_agent.engines.rule import Rule

__all__ = ["COMMON_RULES", "Rule", "diagnose"]

_KEPT_LINES = 20
_LINE_CHARACTERS = 400
_SUMMARY_CHARACTERS = 300
_EARLY_S = 1.0
_WRAPPER = re.compile(
    r"See root cause above|Engine core proc \S+ died|EngineDeadError|Capture cuda graph failed: *$|Rank \d+ scheduler"
    r" (?:is )?dead|Child process unexpectedly failed|Received sigquit from a child|Server error: \d+ -"
)
_ERROR = re.compile(r"(?:^|[\s\]|])(?P<what>(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit): .+)")
_ERROR_LEVEL = re.compile(r"(?:^|\s|\[)(?:ERROR|FATAL|CRITICAL|E)(?:\]|:|\s)\s*(?P<what>\S.*)")


def diagnose(ending: Ending, rules: Sequence[Rule]) -> Diagnosis:
    """Return the first rule's diagnosis that fits, or what the exit itself says."""
    for rule in rules:
        for number, line in enumerate(ending.lines):
            found = rule.pattern.search(line)
            if found is not None:
                named = {name: value or "" for name, value in found.groupdict().items()}
                return Diagnosis(
                    kind=rule.kind,
                    summary=rule.summary.format(**named).strip()[:_SUMMARY_CHARACTERS],
                    advice=rule.advice.format(**named),
                    lines=_decisive(ending.lines, number),
                )
    return _from_exit(ending)


def _from_exit(ending: Ending) -> Diagnosis:
    after = f"after {ending.ran_s:.0f} s"
    if ending.signal == signals.SIGKILL:
        return Diagnosis(
            kind="killed",
            summary=f"it was killed (SIGKILL) {after}, by hand or by the kernel for want of memory",
            advice="if nobody did it, give it more host memory or ask for less of it",
            lines=_decisive(ending.lines, None),
        )
    root = _root(ending.lines)
    lines = _decisive(ending.lines, root[0] if root else None)
    said = f": {root[1]}"[:_SUMMARY_CHARACTERS] if root else ""
    if ending.signal is not None:
        summary = f"it crashed with {_signal_name(ending.signal)} {after}{said}"
        return Diagnosis(kind="crashed", summary=summary, lines=lines)
    if ending.code is None:
        summary = f"its processes are gone without a record {after}: the node was restarted, or its guard was killed"
        return Diagnosis(kind="vanished", summary=summary, lines=lines)
    if ending.code in (126, 127) and ending.ran_s < _EARLY_S:
        summary = f"its program could not be run (code {ending.code}){said}"
        return Diagnosis(kind="broken_environment", summary=summary, advice="install the engine again", lines=lines)
    kind = "engine_error" if root else "unknown"
    return Diagnosis(kind=kind, summary=f"it ended with code {ending.code} {after}{said}", lines=lines)


def _root(lines: Sequence[str]) -> tuple[int, str] | None:
    """Return where the first error is, and what it says. A wrapper counts only when there is nothing above it."""
    for pattern in (_ERROR, _ERROR_LEVEL):
        for number, line in enumerate(lines):
            found = pattern.search(line)
            if found is not None and not _WRAPPER.search(line):
                return number, found["what"].strip()
    return None


def _decisive(lines: Sequence[str], first: int | None) -> tuple[str, ...]:
    """Return the deciding line and those that follow it, or the last ones."""
    start = max(0, len(lines) - _KEPT_LINES) if first is None else first
    return tuple(line[:_LINE_CHARACTERS] for line in lines[start : start + _KEPT_LINES])


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
