"""Replica-seconds: what each replica held, and when it served, from its transitions in whatever order they come."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from itertools import pairwise

from roundhouse_common.contracts.scheduler import Phase, ReplicaTransition
from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["By", "HeldFigures", "HeldQuery", "HeldRow", "Span", "chained", "held_query", "span_of", "transition_fault"]

_HOLDING = frozenset(
    {Phase.ASSIGNED, Phase.FETCHING, Phase.STARTING, Phase.READY, Phase.DRAINING, Phase.FAILED, Phase.UNKNOWN}
)
_MOST = 2**31 - 1
_DEFAULT_RANGE_S = 86_400.0
_DEFAULT_TENANT = "ten_default"
"""Whose a transition is that does not say so: of a scheduler that knew one tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What a replica held and did from one transition to its next. `ended_at` None: nothing happened since."""

    event_id: str
    replica_id: str
    tenant_id: str
    deployment_id: str
    version_id: str
    version_number: int
    node_id: str
    phase: str
    reason: str
    began_at: float
    ended_at: float | None = None
    is_holding: bool
    is_serving: bool
    device_count: int
    memory_bytes: int
    """On all its devices together; of the host when it has none."""
    cpu_millis: int
    device_class: str = ""
    project_id: str = ""


def transition_fault(event: ReplicaTransition) -> str | None:
    """Say why a transition cannot be counted, or None."""
    if event.after is Phase.UNKNOWN and event.before is Phase.UNKNOWN:
        return "its phase is not known to this version: upgrade, then replay"
    if not event.event_id or not event.replica_id:
        return "it has no event id or no replica id"
    resources = event.resources
    if resources is not None and not (0 <= resources.memory_bytes < 2**53 and 0 <= resources.cpu_millis <= _MOST):
        return f"it claims {resources.memory_bytes} bytes and {resources.cpu_millis} millis"
    if not math.isfinite(event.at) or not 0 <= event.version_number <= _MOST:
        return "its time or version number is none"
    return None


def span_of(event: ReplicaTransition) -> Span:
    """Return what begins with a transition. The scheduler says what is held; its phase does where it did not."""
    resources = event.resources
    asked = resources.device_count if resources is not None else 0
    devices = len(event.device_uuids) or asked
    memory_bytes = resources.memory_bytes * max(1, devices) if resources is not None else 0
    return Span(
        event_id=event.event_id,
        replica_id=event.replica_id,
        tenant_id=event.tenant_id or _DEFAULT_TENANT,
        deployment_id=event.deployment_id,
        version_id=event.version_id,
        version_number=event.version_number,
        node_id=event.node_id,
        phase=event.after.value,
        reason=event.reason.value,
        began_at=event.at,
        is_holding=event.after in _HOLDING if event.is_holding is None else event.is_holding,
        is_serving=event.after is Phase.READY if event.is_serving is None else event.is_serving,
        device_count=devices,
        memory_bytes=memory_bytes,
        cpu_millis=resources.cpu_millis if resources is not None else 0,
        device_class=event.device_class,
        project_id=event.project_id,
    )


def chained(spans: Iterable[Span]) -> list[Span]:
    """Return the spans of one replica in the order of time, each ending where the next one begins.

    The order in which they are given, and repetitions, make no difference. Event ids grow within one moment. What is
    stopped is over: that comes last even when the clock of another scheduler put it earlier, so that nothing stays
    open for ever.
    """
    ordered = sorted({span.event_id: span for span in spans}.values(), key=_place)
    found = [replace(span, ended_at=max(span.began_at, after.began_at)) for span, after in pairwise(ordered)]
    return [*found, *(replace(span, ended_at=None) for span in ordered[-1:])]


def _place(span: Span) -> tuple[bool, float, str]:
    return span.phase == Phase.STOPPED.value, span.began_at, span.event_id


class By(enum.StrEnum):
    """What replica-seconds are summed by."""

    DEPLOYMENT = "deployment"
    VERSION = "version"
    REPLICA = "replica"
    NODE = "node"
    PROJECT = "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldQuery:
    """A question about the time from `since` to `until`, both known."""

    tenant_id: str
    deployment_id: str | None
    project_ids: frozenset[str] | None = None
    """Only of these projects; None: of all, and of none."""
    since: float
    until: float
    by: By


def held_query(
    *, tenant_id: str, deployment_id: str | None, since: float | None, until: float | None, by: By, now: float
) -> HeldQuery:
    """Return the question: the last day when no range was given, and nothing of what lies ahead."""
    end = min(until if until is not None else now, now)
    start = since if since is not None else end - _DEFAULT_RANGE_S
    if start >= end:
        raise InvalidInput("The range is empty.", FieldError("since", "must be in the past and earlier than until"))
    return HeldQuery(tenant_id=tenant_id, deployment_id=deployment_id, since=start, until=end, by=by)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFigures:
    """Sums over a time. What is claimed counts from placement until it is given back, used or not."""

    held_s: float = 0.0
    serving_s: float = 0.0
    device_s: float = 0.0
    cpu_core_s: float = 0.0
    memory_byte_s: float = 0.0

    def __add__(self, other: "HeldFigures") -> "HeldFigures":
        names = (field.name for field in fields(HeldFigures))
        return HeldFigures(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """The sums of one deployment, version, replica, node or project; those of no project have an empty key."""

    key: str
    deployment_id: str
    """Empty for a node or a project, which may have several."""
    version_number: int | None
    replicas: int
    """How many held something in the time."""
    replicas_now: int
    """How many of them hold it still."""
    figures: HeldFigures
