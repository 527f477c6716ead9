"""When a draining engine may be stopped: after routers had time to learn, once it is idle twice, or when time is up."""

import enum
from dataclasses import dataclass, replace

from roundhouse_node_agent.domain.engine_run import EngineSample

__all__ = ["DrainState", "DrainVerdict", "begin_drain", "is_idle", "step"]

_LOOKS = 2


class DrainVerdict(enum.Enum):
    WAIT = "wait"
    IDLE = "idle"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainState:
    """Times are monotonic seconds."""

    settled_at: float
    deadline: float
    idle_looks: int = 0


def begin_drain(now: float, *, settle_s: float, timeout_s: float) -> DrainState:
    """Return the start of a drain: for `settle_s` routers that did not hear yet may still send requests."""
    return DrainState(settled_at=now + settle_s, deadline=now + settle_s + timeout_s)


def is_idle(sample: EngineSample | None, *, is_connected: bool | None) -> bool:
    """Return whether it holds no request, by its figures, else by its connections; the unknown is not idle."""
    if sample is not None:
        return sample.running == 0 and sample.waiting == 0
    return is_connected is False


def step(state: DrainState, now: float, *, is_idle: bool) -> tuple[DrainState, DrainVerdict]:
    """Return the state after one look."""
    if now < state.settled_at:
        return state, DrainVerdict.WAIT
    looked = replace(state, idle_looks=state.idle_looks + 1 if is_idle else 0)
    if looked.idle_looks >= _LOOKS:
        return looked, DrainVerdict.IDLE
    return looked, DrainVerdict.TIMED_OUT if now >= state.deadline else DrainVerdict.WAIT
