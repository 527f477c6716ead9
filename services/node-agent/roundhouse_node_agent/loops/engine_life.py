"""The life of one engine: install, fetch, launch, wait until ready, watch, note its end."""

import asyncio
import contextlib

import structlog

from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.capacity import other_epoch, refusal
from roundhouse_node_agent.domain.engine_run import PORT_IN_USE, EngineExit, EngineRun
from roundhouse_node_agent.domain.errors import EngineUnavailable, LaunchFailed, ModelUnavailable
from roundhouse_node_agent.domain.probing import ProbeState, is_unresponsive, observe
from roundhouse_node_agent.domain.replica import (
    EngineReady,
    EngineResponsive,
    EngineUnresponsive,
    Exited,
    Launched,
    StartRefused,
    StartTimedOut,
)
from roundhouse_node_agent.loops.fetching import fetched
from roundhouse_node_agent.loops.installing import has_engine

__all__ = ["live"]

_log = structlog.get_logger(__name__)


async def live(agent: AgentContext, replica_id: str) -> None:
    """Return when nothing of the replica's engine is left, or none was started."""
    replica = agent.replicas[replica_id]
    run = replica.run if not replica.is_launching else await _begin(agent, replica.assignment)
    if run is None:
        return
    while True:
        ended = await _follow(agent, run)
        next_run = await _on_another_port(agent, run, ended)
        if next_run is None:
            agent.samples.pop(replica_id, None)
            agent.counters.end(run, ended.at)
            agent.apply(replica_id, Exited(ended=ended))
            return
        run = next_run


async def _begin(agent: AgentContext, assignment: Assignment) -> EngineRun | None:
    """Return the run, or None when the start was refused, which the replica then says."""
    replica_id = assignment.replica_id
    try:
        why = await _objection(agent, assignment)
        if why is not None:
            agent.apply(replica_id, StartRefused(reason=Reason.NODE_REJECTED, detail=why))
            return None
        path = await fetched(agent, assignment) if await has_engine(agent, assignment) else None
        if path is None or agent.registered is None:
            agent.apply(replica_id, StartRefused(reason=Reason.STOPPED_AS_ASKED, detail="no longer wanted"))
            return None
        run = await agent.host.launch(assignment, path, epoch=agent.registered.epoch, launch=1)
    except EngineUnavailable as error:
        refused = StartRefused(reason=Reason.ENGINE_UNAVAILABLE, detail=error.message, lines=error.lines)
        agent.apply(replica_id, refused)
        return None
    except ModelUnavailable as error:
        agent.apply(replica_id, StartRefused(reason=Reason.MODEL_UNAVAILABLE, detail=error.message))
        return None
    except LaunchFailed as error:
        agent.apply(replica_id, StartRefused(reason=error.reason, detail=error.message))
        return None
    agent.apply(replica_id, Launched(run=run))
    return run


async def _objection(agent: AgentContext, assignment: Assignment) -> str | None:
    cannot = agent.host.cannot_run(assignment)
    if cannot is not None:
        return cannot
    agent.inventory = await agent.host.inventory()
    other = other_epoch(assignment, agent.replicas.values())
    return other or refusal(assignment, agent.replicas.values(), agent.inventory)


async def _on_another_port(agent: AgentContext, run: EngineRun, ended: EngineExit) -> EngineRun | None:
    """Somebody took the port between our look and the engine's: the same attempt starts again on another one."""
    replica = agent.replicas[run.replica_id]
    is_taken = ended.diagnosis.kind == PORT_IN_USE and ended.stop_reason is None and replica.stop_reason is None
    if not is_taken or run.launch >= agent.options.port_attempts:
        return None
    _log.info("engine_port_taken", replica_id=run.replica_id, port=run.port)
    try:
        path = await agent.host.fetch(run.assignment)
        again = await agent.host.launch(run.assignment, path, epoch=run.epoch, launch=run.launch + 1)
    except (ModelUnavailable, LaunchFailed) as error:
        _log.warning("engine_relaunch_failed", replica_id=run.replica_id, why=error.message)
        return None
    agent.apply(run.replica_id, Launched(run=again))
    return again


async def _follow(agent: AgentContext, run: EngineRun) -> EngineExit:
    """Watch a run to its end, which is noticed whatever else goes on."""
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(_watch(agent, run), name=f"watch-{run.replica_id}")
        stop = tasks.create_task(_stop_when_told(agent, run), name=f"stop-{run.replica_id}")
        ended = await agent.host.wait(run)
        watch.cancel()
        stop.cancel()
    return ended


async def _stop_when_told(agent: AgentContext, run: EngineRun) -> None:
    """Tell the host once the replica is told to end, however that came about."""
    while True:
        replica = agent.replicas[run.replica_id]
        if replica.is_stopping and replica.stop_reason is not None:
            if agent.counters.has(run):
                agent.counters.note(run, await agent.host.sample(run), agent.clock.now())
            await agent.host.stop(run, replica.stop_reason)
            return
        await agent.changed()


async def _watch(agent: AgentContext, run: EngineRun) -> None:
    if run.ready_at is None and not await _until_ready(agent, run):
        return
    state = ProbeState()
    replica_id = run.replica_id
    while True:
        sample = await agent.host.sample(run)
        agent.counters.note(run, sample, agent.clock.now())
        if sample is not None:
            agent.samples[replica_id] = sample
        else:
            agent.samples.pop(replica_id, None)
        has_answered = sample is not None or (await agent.host.health(run)).is_ready
        is_working = not has_answered and await agent.host.is_working(run)
        state = observe(state, has_answered=has_answered, is_working=is_working)
        if has_answered:
            agent.apply(replica_id, EngineResponsive())
        elif is_unresponsive(state, limit=agent.options.probe_failures):
            detail = f"it neither answered nor computed in {state.failures} looks"
            agent.apply(replica_id, EngineUnresponsive(detail=detail))
        await asyncio.sleep(agent.options.probe_interval_s)


async def _until_ready(agent: AgentContext, run: EngineRun) -> bool:
    """Return True when the engine is ready; False when its time was up and it was told to end."""
    options = agent.options
    said = ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.start_timeout_s):
            while True:
                health = await agent.host.health(run)
                if health.is_ready:
                    now = agent.clock.now()
                    await agent.host.mark_ready(run, now)
                    agent.apply(run.replica_id, EngineReady(at=now))
                    return True
                said = health.detail
                await asyncio.sleep(options.ready_poll_s)
    detail = f"not ready after {options.start_timeout_s:.0f} s; it last said: {said}"
    agent.apply(run.replica_id, StartTimedOut(detail=detail))
    await agent.host.stop(run, Reason.START_TIMEOUT)
    return False
