"""Builders for what a node agent observes: everything irrelevant has a default."""

from dataclasses import replace
from typing import Any

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineExit, EngineRun
from roundhouse_node_agent.domain.replica import Replica
from tests.support.scheduler_stub import an_assignment

__all__ = ["T0", "a_replica", "a_run", "an_exit"]

T0 = UnixTime(1_800_000_000.0)


def a_run(replica_id: str = "rep_1", *, attempt: int = 1, **changes: Any) -> EngineRun:
    """Return a running engine."""
    base = EngineRun(
        replica_id=replica_id,
        attempt=attempt,
        launch=1,
        assignment=an_assignment(replica_id, attempt=attempt),
        epoch=1,
        pid=4242,
        port=9001,
        base_url="http://127.0.0.1:9001",
        started_at=T0,
    )
    return replace(base, **changes)


def an_exit(**changes: Any) -> EngineExit:
    """Return the end of an engine that nobody asked for."""
    base = EngineExit(at=T0, code=1, diagnosis=Diagnosis(kind="unknown", summary="it ended with code 1"))
    return replace(base, **changes)


def a_replica(
    phase: ObservedPhase, *, replica_id: str = "rep_1", attempt: int = 1, is_over: bool = False, **changes: Any
) -> Replica:
    """Return a replica in a phase, with an engine that runs or, with `is_over`, has ended."""
    run = a_run(replica_id, attempt=attempt)
    base = Replica(
        assignment=run.assignment,
        phase=phase,
        reason=Reason.ENGINE_READY,
        since=T0,
        run=run,
        ended=an_exit() if is_over else None,
    )
    return replace(base, **changes)
