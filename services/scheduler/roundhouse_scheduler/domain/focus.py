"""What a decision must look at: the records that something happened to, and those whose time has come.

A record comes into focus when its row changed, when its node reported, when a step asked for another look at it, or
when the last plan touched it. What nothing happened to needs no look, and the same decision with everything in focus
must find nothing more to do: tests hold it to that, and the planner looks at everything from time to time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["NOTHING", "Focus", "Later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Look at a record again at `at`. The kind is "node", "deployment", "replica", or "" for everything."""

    at: float
    kind: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """Ids. With a node come its replicas and their deployments, with a deployment its replicas, with a replica its
    deployment and its node itself."""

    nodes: frozenset[str] = frozenset()
    reports: frozenset[str] = frozenset()
    """Nodes that said something new: only what they say is looked at."""
    deployments: frozenset[str] = frozenset()
    replicas: frozenset[str] = frozenset()
    has_room_changed: bool = False
    """Somewhere a claim or a node changed: every PENDING replica is looked at."""

    def __bool__(self) -> bool:
        return bool(self.nodes or self.reports or self.deployments or self.replicas or self.has_room_changed)

    def __or__(self, other: "Focus") -> "Focus":
        return Focus(
            nodes=self.nodes | other.nodes,
            reports=self.reports | other.reports,
            deployments=self.deployments | other.deployments,
            replicas=self.replicas | other.replicas,
            has_room_changed=self.has_room_changed or other.has_room_changed,
        )

    @staticmethod
    def of(due: Iterable[Later]) -> "Focus":
        """Return the records whose time has come."""
        by_kind: dict[str, set[str]] = {"node": set(), "deployment": set(), "replica": set()}
        for item in due:
            by_kind[item.kind].add(item.key)
        return Focus(
            nodes=frozenset(by_kind["node"]),
            deployments=frozenset(by_kind["deployment"]),
            replicas=frozenset(by_kind["replica"]),
        )


NOTHING = Focus()
