"""What a node agent does about an engine's counters, for one that no agent started: asks it, and tells metering."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from roundhouse_common.bus.connected import connected
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import NODE_SAMPLE
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_node_agent.domain.token_counters import TokenCounters
from roundhouse_node_agent.engines.client import EngineClient
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from tests.support.metering import node_sample
from tests.support.nats import NODE_A, NatsServer
from tests.support.scheduler_stub import an_assignment

__all__ = ["told_of"]

_EVERY_S = 0.3


@asynccontextmanager
async def told_of(engine_url: str, replica_id: str, nats: NatsServer) -> AsyncIterator[None]:
    """Tell what a llama.cpp without a key has counted, several times a second, also while NATS comes and goes."""
    clock = SystemClock()
    run = EngineRun(
        replica_id=replica_id,
        attempt=1,
        launch=1,
        assignment=msgspec.structs.replace(an_assignment(replica_id), engine_api_key=""),
        epoch=1,
        pid=0,
        port=0,
        base_url=engine_url,
        started_at=clock.now(),
    )
    seed = nats.seed_file(Service.NODE_AGENT, NODE_A)
    bus = NatsBus(Service.NODE_AGENT, url=nats.url, seed_file=seed, clock=clock, node_id=NODE_A)

    async def tell() -> None:
        counters = TokenCounters()
        while True:
            counters.note(run, await client.sample(LlamaCpp(), run), clock.now())
            now = clock.now()
            await bus.signal(NODE_SAMPLE, node_sample(now, node_id=NODE_A, engines=counters.told(now)), NODE_A)
            await asyncio.sleep(_EVERY_S)

    async with connected(bus), EngineClient() as client:
        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling
