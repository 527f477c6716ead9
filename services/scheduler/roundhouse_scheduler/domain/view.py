"""Everything one decision looks at, read at one moment."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Protocol

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.node import NodeReport, ReplicaLoad
from roundhouse_scheduler.domain.autoscale.demand import Demand
from roundhouse_scheduler.domain.focus import Focus
from roundhouse_scheduler.domain.index import Index
from roundhouse_scheduler.domain.records import Deployment, Node, Replica
from roundhouse_scheduler.domain.switching.switch import Switch

__all__ = ["Mint", "Silence", "View"]


class Mint(Protocol):
    """Where new identifiers and secrets come from."""

    def replica_id(self) -> str:
        """Return a new replica id; later ones sort behind earlier ones."""

    def engine_api_key(self) -> str:
        """Return a new secret."""

    def switch_id(self) -> str:
        """Return a new id of a switch; later ones sort behind earlier ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """How long ago a node was heard, by a clock that never jumps."""

    contact_s: float | None
    """Since its last message of the present epoch; None when this process has not heard it yet."""
    silent_s: float
    """Since it could have been heard: the shorter of that and how long we have been listening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One consistent look. Replicas are those that have not ended."""

    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    versions: Mapping[str, VersionSpec] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    replicas: Mapping[str, Replica] = field(default_factory=dict)
    reports: Mapping[str, NodeReport] = field(default_factory=dict)
    """The newest report that was heard of each node, of whatever epoch."""
    silence: Mapping[str, Silence] = field(default_factory=dict)
    index: Index | None = None
    """Over these nodes and replicas, where one is kept; without it a decision makes its own."""
    focus: Focus | None = None
    """What must be looked at; None: everything."""
    quiet: Set[str] | None = None
    """The nodes that have been silent for longer than the lease; None: `silence` says it of every node."""
    ended: Set[str] = frozenset()
    """Of the replicas that reports speak of: those that the record knows to have ended."""
    specs_known_s: float = float("inf")
    """How long the catalog's specs have been known since this scheduler took over."""
    awaited: Set[str] = frozenset()
    """Deployments of which engines run on nodes that the record has lost: they are about to register again."""
    is_listening: bool = True
    """Whether the bus is connected: without it nobody's silence means anything."""
    trusted_s: float = float("inf")
    """How long our own hearing has been beyond doubt: since the connection came up or the brake let go."""
    demand: Mapping[str, Demand] = field(default_factory=dict)
    """By deployment; one that is not in it has no demand that anybody told of."""
    demand_known_s: float = 0.0
    """How long routers have been heard without a gap: before that nothing follows from their silence."""
    loads: Mapping[str, Mapping[str, ReplicaLoad]] = field(default_factory=dict)
    """By node and replica: what the engines said last of how much they do."""
    switches: Mapping[str, Switch] = field(default_factory=dict)
    """Those that have not ended."""
    files: Mapping[str, Set[str]] = field(default_factory=dict)
    """By node, the keys of the model files that it has whole, as it reported last."""
    tenants: Mapping[str, TenantRecord] = field(default_factory=dict)
    """As the catalog told last; one that is not in it has no quota."""
    advances: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """By node and what it prepares (a key of files, or of an engine): when that was last seen to come further."""
