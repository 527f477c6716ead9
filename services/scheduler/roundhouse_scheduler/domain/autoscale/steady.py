"""Wait until the load has meant it: the lowest number asked for over a while to go up, the highest to go down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import Autoscale
from roundhouse_scheduler.domain.autoscale.demand import Recommended

__all__ = ["Steadied", "steady"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadied:
    """How many replicas there should be, and when time alone may change that."""

    replicas: int
    look_at: float | None = None


def steady(
    asked: int, history: Sequence[Recommended], autoscale: Autoscale, *, current: int, now: float, known_s: float
) -> Steadied:
    """Return the number to have when `asked` is what the load asks for now.

    Nothing happens before the load was seen for the whole window: a scheduler that has just started has seen nothing.
    To go down, routers must have been heard all that time as well (`known_s`): their silence is not idleness.
    """
    if asked == current:
        return Steadied(replicas=current)
    is_up = asked > current
    window_s = autoscale.up_stabilization_s if is_up else autoscale.down_stabilization_s
    seen_s = now - history[0].at if history else 0.0
    seen_s = seen_s if is_up else min(seen_s, known_s)
    if seen_s < window_s:
        return Steadied(replicas=current, look_at=now + window_s - seen_s)
    inside = [(value, end) for value, end in _spans(history, now) if end + window_s > now]
    values = [asked, *(value for value, _ in inside)]
    meant = max(current, min(values)) if is_up else min(current, max(values))
    hindering = [end for value, end in inside if (value < asked if is_up else value > asked)]
    return Steadied(replicas=meant, look_at=min(hindering) + window_s if hindering else None)


def _spans(history: Sequence[Recommended], now: float) -> Iterator[tuple[int, float]]:
    """Yield each number with the time until which it was what the load asked for."""
    for position, item in enumerate(history):
        yield item.replicas, history[position + 1].at if position + 1 < len(history) else now
