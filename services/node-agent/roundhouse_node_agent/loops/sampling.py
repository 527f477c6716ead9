"""What the machine and its engines use, told every few seconds; a sample that is lost is a gap in a curve."""

import asyncio
import zlib

import msgspec

from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_node_agent.context import AgentContext
from roundhouse_node_agent.domain.usage import HostUsage, sample_between

__all__ = ["run"]


async def run(agent: AgentContext) -> None:
    """Sample at even times of the wall clock, so that every bucket of that width gets one; each node a little apart
    from the others."""
    before: HostUsage | None = None
    while True:
        await asyncio.sleep(pause_s(agent.clock.now(), agent.options.sample_interval_s, agent.node_id))
        runs = [one.run for one in agent.replicas.values() if one.run is not None and one.is_active]
        at = agent.clock.now()
        after = await agent.host.usage(runs)
        if agent.memory.note(after.engines):
            agent.report_due.set()
        epoch = agent.registered.epoch if agent.registered is not None else 0
        sample = sample_between(before, after, node_id=agent.node_id, epoch=epoch, at=at) if before else None
        before = after
        if not agent.counters.is_kept:
            agent.counters.is_kept = True
            await agent.host.keep_counters(agent.counters.ended)
        if sample is not None:
            sample = msgspec.structs.replace(sample, engines=agent.counters.told(at))
        agent.sample = sample
        if sample is not None and agent.registered is not None and not agent.is_superseded:
            await agent.bus.signal(NODE_SAMPLE, sample, agent.node_id)


def pause_s(now: float, interval_s: float, node_id: str) -> float:
    """Return how long until the next sample: 5 to 75 % into each interval since 1970, by node."""
    share = 0.05 + 0.7 * zlib.crc32(node_id.encode()) / 2**32
    return interval_s - (now - share * interval_s) % interval_s
