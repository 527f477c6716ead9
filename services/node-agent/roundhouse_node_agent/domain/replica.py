"""A replica as this node sees it, and the one table that says how events change it.

`advance(replica, event, now)` returns the next value. An event that means nothing in a phase changes nothing:
messages and process ends come in any order.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineExit, EngineRun

__all__ = [
    "DrainBegun",
    "DrainCancelled",
    "EngineAwaited",
    "EngineInstalled",
    "EngineReady",
    "EngineResponsive",
    "EngineUnresponsive",
    "Event",
    "Exited",
    "Launched",
    "Replica",
    "StartRefused",
    "StartTimedOut",
    "StopBegun",
    "adopted",
    "advance",
    "begin",
    "settled",
]

_Phase = ObservedPhase


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica on this node. `run` is None until its engine process exists."""

    assignment: Assignment
    phase: ObservedPhase
    reason: Reason
    detail: str = ""
    since: UnixTime
    is_launching: bool = False
    """From taking up an attempt until its process exists or was refused."""
    run: EngineRun | None = None
    ended: EngineExit | None = None
    stop_reason: Reason | None = None
    """Set once its engine was told to end: the end is then no failure."""
    log_tail: tuple[str, ...] = ()
    """The decisive lines where no engine could be started; those of an engine that ended are in `ended`."""

    @property
    def replica_id(self) -> str:
        return self.assignment.replica_id

    @property
    def attempt(self) -> int:
        return self.assignment.attempt

    @property
    def is_active(self) -> bool:
        """Whether an engine of it runs or is about to."""
        return self.is_launching or (self.run is not None and self.ended is None)

    @property
    def is_stopping(self) -> bool:
        """Whether its engine was told to end and has not yet."""
        return self.is_active and self.stop_reason is not None

    @property
    def is_serving(self) -> bool:
        """Whether its engine may hold requests."""
        return self.run is not None and self.is_active and self.phase in (_Phase.READY, _Phase.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """The engine's process exists."""

    run: EngineRun


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReady:
    """The readiness endpoint said yes for the first time."""

    at: UnixTime


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAwaited:
    """The engine is not on this node, and is being installed."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInstalled:
    """The engine is there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefused:
    """No engine was started."""

    reason: Reason
    detail: str
    lines: tuple[str, ...] = ()
    """Of a log, that say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTimedOut:
    """The engine was not ready in time; it is being ended."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUnresponsive:
    """A ready engine stopped answering while its process sits idle."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineResponsive:
    """It answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainBegun:
    """No new requests are expected; those in flight go on."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainCancelled:
    """It is wanted again before it was told to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBegun:
    """The engine was told to end."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """Nothing of the engine is left."""

    ended: EngineExit


Event = (
    EngineAwaited
    | EngineInstalled
    | Launched
    | EngineReady
    | StartRefused
    | StartTimedOut
    | EngineUnresponsive
    | EngineResponsive
    | DrainBegun
    | DrainCancelled
    | StopBegun
    | Exited
)


def begin(assignment: Assignment, now: UnixTime) -> Replica:
    """Return the replica whose attempt the node now takes up."""
    return Replica(
        assignment=assignment, phase=_Phase.FETCHING, reason=Reason.FETCHING_MODEL, since=now, is_launching=True
    )


def adopted(run: EngineRun, now: UnixTime) -> Replica:
    """Return the replica of a run that a former agent left, running or ended."""
    found = Replica(
        assignment=run.assignment,
        phase=_Phase.STARTING,
        reason=Reason.ENGINE_STARTING,
        since=run.started_at,
        run=run,
        stop_reason=run.stop_reason,
    )
    if run.ready_at is not None:
        found = _move(found, _Phase.READY, Reason.ENGINE_READY, "adopted after a restart of the agent", run.ready_at)
    if run.ended is not None:
        return _exited(found, run.ended, run.ended.at)
    if run.stop_reason is not None:
        return _move(found, _Phase.DRAINING, run.stop_reason, "its engine is being stopped", now)
    return found


def settled(assignment: Assignment, reason: Reason, detail: str, now: UnixTime) -> Replica:
    """Return a replica that is not wanted any more before anything of it was started here."""
    return Replica(assignment=assignment, phase=_Phase.STOPPED, reason=reason, detail=detail, since=now)


def advance(replica: Replica, event: Event, now: UnixTime) -> Replica:
    """Return the replica after the event; the same value when the event means nothing in its phase."""
    match event:
        case EngineAwaited(detail=detail):
            return _fetching(replica, Reason.INSTALLING_ENGINE, detail, now)
        case EngineInstalled():
            return _fetching(replica, Reason.FETCHING_MODEL, "", now)
        case Launched(run=run):
            return _launched(replica, run, now)
        case EngineReady(at=at):
            return _ready(replica, at)
        case StartRefused():
            return _refused(replica, event, now)
        case StartTimedOut(detail=detail):
            is_late = replica.phase is _Phase.STARTING
            return _move(replica, _Phase.FAILED, Reason.START_TIMEOUT, detail, now) if is_late else replica
        case EngineUnresponsive(detail=detail):
            was_ready = replica.phase is _Phase.READY
            return _move(replica, _Phase.FAILED, Reason.ENGINE_UNRESPONSIVE, detail, now) if was_ready else replica
        case EngineResponsive():
            is_back = replica.is_active and replica.reason is Reason.ENGINE_UNRESPONSIVE and not replica.is_stopping
            return _move(replica, _Phase.READY, Reason.ENGINE_READY, "it answers again", now) if is_back else replica
        case DrainBegun(reason=reason, detail=detail):
            can_drain = replica.phase is _Phase.READY
            return _move(replica, _Phase.DRAINING, reason, detail, now) if can_drain else replica
        case DrainCancelled():
            can_return = replica.phase is _Phase.DRAINING and replica.is_active and not replica.is_stopping
            detail = "wanted again before it was stopped"
            return _move(replica, _Phase.READY, Reason.ENGINE_READY, detail, now) if can_return else replica
        case StopBegun(reason=reason):
            return _stop_begun(replica, reason, now)
        case Exited(ended=ended):
            return _exited(replica, ended, now)
        case _:
            assert_never(event)


def _move(replica: Replica, phase: ObservedPhase, reason: Reason, detail: str, now: UnixTime) -> Replica:
    return replace(replica, phase=phase, reason=reason, detail=detail, since=now)


def _launched(replica: Replica, run: EngineRun, now: UnixTime) -> Replica:
    is_due = replica.is_launching or replica.phase is _Phase.STARTING
    if not is_due or run.attempt != replica.attempt:
        return replica
    known = replace(replica, run=run, is_launching=False)
    if replica.stop_reason is not None:
        return known
    return _move(known, _Phase.STARTING, Reason.ENGINE_STARTING, f"process {run.pid}, port {run.port}", now)


def _ready(replica: Replica, at: UnixTime) -> Replica:
    if replica.phase is not _Phase.STARTING or replica.run is None or replica.stop_reason is not None:
        return replica
    ready = replace(replica, run=replace(replica.run, ready_at=at))
    return _move(ready, _Phase.READY, Reason.ENGINE_READY, "", at)


def _fetching(replica: Replica, reason: Reason, detail: str, now: UnixTime) -> Replica:
    is_due = replica.is_launching and replica.phase is _Phase.FETCHING and replica.stop_reason is None
    return _move(replica, _Phase.FETCHING, reason, detail, now) if is_due else replica


def _refused(replica: Replica, refused: StartRefused, now: UnixTime) -> Replica:
    if not replica.is_launching:
        return replica
    over = replace(replica, is_launching=False)
    if replica.stop_reason is not None:
        return _move(over, _Phase.STOPPED, replica.stop_reason, "stopped before its engine was started", now)
    phase = _Phase.REJECTED if refused.reason is Reason.NODE_REJECTED else _Phase.FAILED
    return _move(replace(over, log_tail=refused.lines), phase, refused.reason, refused.detail, now)


def _stop_begun(replica: Replica, reason: Reason, now: UnixTime) -> Replica:
    if not replica.is_active or replica.is_stopping:
        return replica
    if replica.phase is _Phase.FAILED:
        return replace(replica, stop_reason=reason)
    return replace(_move(replica, _Phase.DRAINING, reason, "its engine is being stopped", now), stop_reason=reason)


def _exited(replica: Replica, ended: EngineExit, now: UnixTime) -> Replica:
    if replica.run is None or replica.ended is not None:
        return replica
    over = replace(replica, ended=ended)
    if replica.phase is _Phase.FAILED:
        return over
    stop_reason = replica.stop_reason or ended.stop_reason
    if stop_reason is not None or replica.phase is _Phase.DRAINING:
        return _move(over, _Phase.STOPPED, stop_reason or Reason.ENGINE_EXITED, ended.diagnosis.text, now)
    reason = Reason.START_FAILED if replica.phase is _Phase.STARTING else Reason.ENGINE_EXITED
    return _move(over, _Phase.FAILED, reason, ended.diagnosis.text, now)
