"""The agents of a fleet in one process, on the bus of a platform that runs: real node agents over hosts in memory.

    python -m benchmarks.console_agents URL DIRECTORY AUTHORITY NODES

It says `ready` on stdout when all have reported, and ends with its stdin.
"""

import asyncio
import secrets
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from benchmarks.scheduler_fleet import DEVICES, a_device
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.nats_auth.authority import NodeAuthority
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds, system_random
from roundhouse_common.service.logging import configure_logging
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from tests.support.fake_host import FakeHost

_CLOCK = SystemClock()
_REGIONS = ("eu-north", "eu-west", "us-east", "asia-east")
_CONNECT_AT_ONCE = 20


async def _run(
    number: int, url: str, directory: Path, authority: NodeAuthority, stack: AsyncExitStack, gate: asyncio.Semaphore
) -> list[asyncio.Task[None]]:
    node_id = f"nod_bench{number:04d}"
    seed = new_seed(KeyKind.USER, secrets.token_bytes)
    credentials = Credentials(seed=seed, jwt=authority.node_jwt(node_id, public_key(seed), at=_CLOCK.now()))
    file = directory / f"{node_id}.creds"
    file.touch(mode=0o600)
    file.write_text(credentials.dumps())
    async with gate:
        bus = NatsBus(Service.NODE_AGENT, url=url, seed_file=file, clock=_CLOCK, node_id=node_id)
        await bus.connect()
        stack.push_async_callback(bus.close)
        devices = tuple(a_device(number, index) for index in range(DEVICES))
        name, region = f"gpu-{number:03d}", _REGIONS[number % len(_REGIONS)]
        agent = NodeAgent(
            node_id=NodeId(node_id),
            bus=bus,
            host=FakeHost(_CLOCK, hostname=name, region=region, devices=devices, load_s=0.2),
            clock=_CLOCK,
            ids=SystemIds(),
            rng=system_random(),
            options=AgentOptions(),
        )
        await agent.start()
    return [asyncio.ensure_future(loop()) for loop in agent.loops().values()]


async def main(url: str, directory: Path, authority: NodeAuthority, nodes: int) -> None:
    """Connect all, say so, and go on until stdin ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    gate = asyncio.Semaphore(_CONNECT_AT_ONCE)
    async with AsyncExitStack() as stack:
        started = await asyncio.gather(
            *(_run(number, url, directory, authority, stack, gate) for number in range(nodes))
        )
        print("ready", flush=True)
        await reader.read()
        loops = [task for tasks in started for task in tasks]
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


if __name__ == "__main__":
    configure_logging(service="node-agent", instance="bench", level="error")
    who = NodeAuthority.loads(Path(sys.argv[3]).read_text())
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), who, int(sys.argv[4])))
