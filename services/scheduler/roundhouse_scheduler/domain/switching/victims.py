"""Who makes room: idle deployments that may be evicted, those unused for longest first, only as many as it takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_scheduler.domain.autoscale.sleep import idle_since, is_asleep
from roundhouse_scheduler.domain.placement.search import Choice
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Deployment, Replica
from roundhouse_scheduler.domain.switching.room import Rooms

__all__ = ["Evictable", "Eviction", "choose_victims", "evictable", "leaving_replicas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evictable:
    """A deployment that may make room, from a certain time on."""

    deployment: Deployment
    idle_since: float | None
    """None: it is in use, or still coming up."""
    replica_ids: frozenset[str]

    def is_idle(self, draft: Draft) -> bool:
        """Whether it was ready and unused for long enough, by routers that were heard all the time."""
        idle_s = draft.rules.evict_idle_s
        is_seen = draft.view.is_listening and draft.view.demand_known_s >= idle_s
        return is_seen and self.idle_since is not None and draft.now - self.idle_since >= idle_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """Who goes, and where the newcomer will find its place."""

    victims: tuple[Evictable, ...]
    choice: Choice


def evictable(draft: Draft, spared: frozenset[str]) -> list[Evictable]:
    """Return the deployments that are marked as evictable and hold something, those unused for longest first."""
    found = []
    for deployment_id in sorted(draft.deployments):
        deployment = draft.deployments[deployment_id]
        if deployment_id in spared or not _may_go(deployment):
            continue
        held = frozenset(row.replica_id for row in draft.members(deployment_id) if row.is_held and row.is_wanted)
        if held:
            since = idle_since(draft, deployment)
            found.append(Evictable(deployment=deployment, idle_since=since, replica_ids=held))
    return sorted(found, key=lambda item: (item.idle_since or float("inf"), item.deployment.deployment_id))


def choose_victims(
    rooms: Rooms, replica: Replica, leaving: frozenset[str], candidates: Sequence[Evictable]
) -> Eviction | None:
    """Return the fewest that make room in the order given: whoever turns out not to be needed stays."""
    chosen: list[Evictable] = []
    for item in candidates:
        chosen.append(item)
        if rooms.find(replica, _gone(leaving, chosen)) is not None:
            break
    else:
        return None
    for item in reversed(chosen[:-1]):
        others = [other for other in chosen if other is not item]
        if rooms.find(replica, _gone(leaving, others)) is not None:
            chosen = others
    choice = rooms.find(replica, _gone(leaving, chosen))
    return None if choice is None else Eviction(victims=tuple(chosen), choice=choice)


def leaving_replicas(draft: Draft) -> frozenset[str]:
    """Return the replicas whose room will be free without anything being done: they are ending. It looks at all
    replicas, which happens only while a switch waits for room."""
    return frozenset(row.replica_id for row in draft.live() if row.is_held and not row.is_wanted)


def _may_go(deployment: Deployment) -> bool:
    is_running = deployment.desired is DeploymentDesired.RUN and not is_asleep(deployment)
    return deployment.is_evictable and is_running and not deployment.is_paused


def _gone(leaving: frozenset[str], chosen: Sequence[Evictable]) -> frozenset[str]:
    return leaving.union(*(item.replica_ids for item in chosen))
