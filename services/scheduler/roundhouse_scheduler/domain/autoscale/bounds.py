"""Between how many and how many replicas: the deployment's own numbers, or those of the windows that are open."""

import functools
import zoneinfo
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import Autoscale, ReplicaWindow
from roundhouse_common.cron import Cron, opened_at, parse_cron

__all__ = ["Bounds", "bounds_of", "may_sleep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`least` may be 0: then the deployment may sleep."""

    least: int
    most: int
    window: str = ""
    """The open window that says so; empty outside of all windows."""

    def clamp(self, replicas: int) -> int:
        """Return the nearest number of replicas of a deployment that is awake."""
        return min(max(replicas, self.least, 1), max(self.most, 1))


def bounds_of(autoscale: Autoscale, now: float) -> Bounds:
    """Return the bounds at a time. Of several open windows the larger numbers count: who asked for more gets it."""
    found = [window for window in autoscale.windows if _is_open(window, now)]
    if not found:
        return Bounds(least=autoscale.min_replicas, most=max(autoscale.max_replicas, autoscale.min_replicas))
    least = max(window.min_replicas for window in found)
    most = max(window.max_replicas for window in found)
    return Bounds(least=least, most=max(least, most), window=", ".join(sorted(window.name for window in found)))


def may_sleep(autoscale: Autoscale) -> bool:
    """Return whether there is any time at which no replica is wanted."""
    return autoscale.min_replicas == 0 or any(window.min_replicas == 0 for window in autoscale.windows)


def _is_open(window: ReplicaWindow, now: float) -> bool:
    """The catalog refuses windows that cannot be read; one that comes all the same never opens."""
    cron = _cron(window.cron)
    if cron is None:
        return False
    try:
        return opened_at(cron, window.timezone, now=now, within_s=window.duration_s) is not None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return False


@functools.lru_cache(maxsize=4096)
def _cron(text: str) -> Cron | None:
    found = parse_cron(text)
    return None if isinstance(found, str) else found
