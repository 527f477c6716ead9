"""The first run: what has been done of it, and what comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from roundhouse_console.domain.models import fits, least_bytes

__all__ = ["FirstRun", "Step", "first_run"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Step = Literal["done", "now", "later"]
_MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """How far a new platform is. Each step is done, to be done now, or later."""

    machines: Step
    model: Step
    answer: Step
    proposals: Sequence[Found]
    """Models that fit, the smallest first."""
    running: Found | None
    """A deployment that answers."""
    starting: Found | None
    """One that will."""


def first_run(
    nodes: Sequence[Found], models: Sequence[Found], statuses: Sequence[Found], room: int | None, requests: int
) -> FirstRun:
    """Return the steps. `room` is what is free on one node at the most, in bytes; None: unknown."""
    is_ready = any(node["condition"] == "ready" for node in nodes)
    running = next((one for one in statuses if one["replicas_ready"]), None)
    starting = next((one for one in statuses if one["state"] in ("Preparing", "Error")), None)
    fitting = sorted((one for one in models if fits(one, room) is not False), key=least_bytes)
    return FirstRun(
        machines="done" if is_ready else "now",
        model="done" if running else "now" if is_ready else "later",
        answer="done" if running and requests else "now" if running else "later",
        proposals=fitting[:_MOST],
        running=running,
        starting=starting,
    )
