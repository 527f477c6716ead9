"""From the last lines of a failed engine to a sentence a person can act on.

`diagnose` is pure: rules are tried in order, each against every line from the first to the last, because the first
error is the cause and what follows are its consequences. What no rule knows keeps its last lines.
"""

import re
import signal as signals
from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_node_agent.domain.engine_run import PORT_IN_USE, Diagnosis
from roundhouse_node_agent.engines.engine import Ending

__all__ = ["COMMON_RULES", "Rule", "diagnose"]

_KEPT_LINES = 20
_LINE_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern and what it means. `summary` may use the pattern's named groups."""

    kind: str
    pattern: re.Pattern[str]
    summary: str


def _rule(kind: str, pattern: str, summary: str) -> Rule:
    return Rule(kind, re.compile(pattern), summary)


COMMON_RULES: tuple[Rule, ...] = (
    _rule("disk_full", r"No space left on device", "the node's disk is full; free some space"),
    _rule(
        PORT_IN_USE,
        r"Address already in use|Port is already in use",
        "its port was taken by another program",
    ),
    _rule(
        "out_of_memory",
        r"CUDA out of memory|cudaMalloc failed|HIP out of memory|NPU out of memory|std::bad_alloc|"
        r"Cannot allocate memory|MemoryError",
        "memory ran out; ask for a shorter context, fewer parallel requests or a smaller quantization, or use a larger"
        " node",
    ),
    _rule(
        "broken_environment",
        r"(?P<what>ModuleNotFoundError: .*|ImportError: .*|cannot open shared object file.*|libcuda\.so\.1: .*)",
        "the engine is not properly installed on this node: {what}",
    ),
    _rule("bad_parameters", r"(?P<what>unrecognized arguments: .*)", "the engine does not know a parameter: {what}"),
)


def diagnose(ending: Ending, rules: Sequence[Rule]) -> Diagnosis:
    """Return the first rule's diagnosis that fits, or what the exit itself says."""
    for rule in rules:
        for number, line in enumerate(ending.lines):
            found = rule.pattern.search(line)
            if found is not None:
                summary = rule.summary.format(**found.groupdict())
                return Diagnosis(kind=rule.kind, summary=summary, lines=_decisive(ending.lines, number))
    return _from_exit(ending)


def _from_exit(ending: Ending) -> Diagnosis:
    lines = _decisive(ending.lines, None)
    after = f"after {ending.ran_s:.0f} s"
    if ending.signal == signals.SIGKILL:
        summary = f"it was killed (SIGKILL) {after}, by hand or by the kernel for want of memory"
        return Diagnosis(kind="killed", summary=summary, lines=lines)
    if ending.signal is not None:
        return Diagnosis(kind="crashed", summary=f"it crashed with {_signal_name(ending.signal)} {after}", lines=lines)
    if ending.code is None:
        summary = f"its processes are gone without a record {after}: the node was restarted, or its guard was killed"
        return Diagnosis(kind="vanished", summary=summary, lines=lines)
    return Diagnosis(kind="unknown", summary=f"it ended with code {ending.code} {after}", lines=lines)


def _decisive(lines: Sequence[str], first: int | None) -> tuple[str, ...]:
    """Return the deciding line and those that follow it, or the last ones."""
    start = max(0, len(lines) - _KEPT_LINES) if first is None else first
    return tuple(line[:_LINE_CHARACTERS] for line in lines[start : start + _KEPT_LINES])


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
