"""When a ready engine counts as unresponsive. Busy is not dead: an engine that computes keeps its place."""

from dataclasses import dataclass, replace

__all__ = ["ProbeState", "is_unresponsive", "observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeState:
    failures: int = 0
    """Looks in a row that found it neither answering nor computing."""


def observe(state: ProbeState, *, has_answered: bool, is_working: bool) -> ProbeState:
    """Return the state after one look."""
    return ProbeState() if has_answered or is_working else replace(state, failures=state.failures + 1)


def is_unresponsive(state: ProbeState, *, limit: int) -> bool:
    """Whether it has been silent and idle for `limit` looks in a row."""
    return state.failures >= limit
