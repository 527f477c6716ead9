"""What the router of the soak stands among: a real nats-server, two scripted engines, and a control plane that changes
keys, routes, limits and engines all the time."""

import asyncio
import hashlib
import itertools
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.soak_load import CACHED, DEAD, LIMITED
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.routing import Balancing, LimitDimension, LimitRecord, RouteCache, Strategy
from roundhouse_common.contracts.scheduler import EndpointState
from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.ports import free_port
from tests.support.router_process import RouterProcess
from tests.support.running_router import Fleet, api_key, endpoint, route

__all__ = ["ControlPlane", "Stage", "open_stage"]

_CHANGE_S: Final = 1.0
_RESTART_EVERY: Final = 20
"""An engine dies and another one comes in its place at every so many changes."""
_HUGE: Final = 10**12
_MIB: Final = 1024 * 1024
_SETTINGS: Final[dict[str, Any]] = {
    # What has a bound reaches it early, so that what grows afterwards is a leak.
    "cache_max_bytes": str(_MIB),
    "idempotency_max_bytes": str(_MIB),
    "prefix_entries": "4096",
    "spool_retain_bytes": str(32 * _MIB),
    "eject_failures": "0",
}


class Stage:
    """Scripted engines in processes of their own, each replaced by one on another port when it dies."""

    def __init__(self) -> None:
        self._engines: list[tuple[subprocess.Popen[str], int]] = []
        self._numbers = itertools.count(1)
        self.restarts = 0

    def start_engine(self) -> None:
        command = [sys.executable, "-m", "benchmarks.relay_engine"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self._engines.append((process, int(process.stdout.readline())))

    def kill_engine(self) -> None:
        """kill -9 of the one that has run longest."""
        process, _ = self._engines.pop(0)
        process.kill()
        process.communicate()
        self.restarts += 1

    def close(self) -> None:
        while self._engines:
            self.kill_engine()

    def endpoints(self) -> Any:  # Any: a tuple of Endpoint
        return tuple(endpoint(f"http://127.0.0.1:{port}", port, state=EndpointState.READY) for _, port in self._engines)


class ControlPlane(Fleet):
    """Keeps count of usage instead of the records, and changes everything that routers follow."""

    def __init__(self, nats: NatsServer, stage: Stage, rng: random.Random) -> None:
        super().__init__(nats)
        self._stage, self._rng = stage, rng
        self._seen = bytearray()
        self.outcomes: Counter[str] = Counter()
        self.repeated = 0
        self.changes = 0

    async def _take(self, batch: Any) -> None:  # Any: a sequence of deliveries
        for record in (record for delivery in batch for record in delivery.message.records):
            if record.sequence >= len(self._seen):
                self._seen.extend(bytes(record.sequence + 65_536 - len(self._seen)))
            self.repeated += self._seen[record.sequence]
            self._seen[record.sequence] = 1
            self.outcomes[record.outcome.value] += 1

    @property
    def missing(self) -> int:
        """Sequence numbers that were given out before the highest one that came, and have not come."""
        last = self._seen.rfind(1)
        return max(last, 0) - sum(self._seen)

    async def begin(self) -> None:
        """Publish what there is from the beginning."""
        await self.put_key(api_key())
        await self.put_key(api_key(LIMITED, key_id="key_limited", name="limited"))
        await self.put_route(route(balancing=Balancing(strategy=Strategy.PREFIX_AFFINITY)))
        await self.put_route(route(CACHED, cache=RouteCache(ttl_s=600.0), is_coalesced=True))
        await self.put_route(route(DEAD, "dep_dead"))
        for name, per in (("all", ()), ("tenant", (LimitDimension.TENANT,)), ("key", (LimitDimension.KEY,))):
            await self.put_limit(
                LimitRecord(limit_id=name, name=name, per=per, requests_per_minute=_HUGE, tokens_per_minute=_HUGE)
            )
        await self.put_limit(
            LimitRecord(limit_id="small", name="small", key_ids=("key_limited",), requests_per_minute=30)
        )
        await self.put_endpoints(endpoint(f"http://127.0.0.1:{free_port()}"), deployment_id="dep_dead")
        await self.put_endpoints(*self._stage.endpoints())

    async def go_on(self) -> None:
        """Change something all the time."""
        while True:
            await asyncio.sleep(_CHANGE_S)
            number = self.changes = self.changes + 1
            if number % _RESTART_EVERY == 0:
                self._stage.kill_engine()
                await asyncio.sleep(0.5)  # clients and the router find it dead before anybody says so
                await asyncio.to_thread(self._stage.start_engine)
                await self.put_endpoints(*self._stage.endpoints())
                continue
            which, secret = number % 16, f"rh-{self._rng.getrandbits(200)}"
            digest = hashlib.sha256(secret.encode()).hexdigest()
            await self.put_key(api_key(key_id=f"key_more{which}", sha256=digest, is_revoked=bool(number % 2)))
            is_deleted = bool(number % 3)
            await self.put_route(route(f"more{which}", alias_of="tiny", targets=(), is_deleted=is_deleted))
            await self.put_limit(
                LimitRecord(
                    limit_id=f"more{which}",
                    name=f"more{which}",
                    requests_per_minute=_HUGE + number,
                    is_deleted=is_deleted,
                )
            )


@asynccontextmanager
async def open_stage(directory: Path, rng: random.Random) -> AsyncIterator[tuple[RouterProcess, ControlPlane, Stage]]:
    """Start all of it; the router knows its table, also what is not in the snapshot that it starts from."""
    async with AsyncExitStack() as stack:
        (directory / "nats").mkdir()
        server = NatsServer(directory / "nats")
        server.start()
        stack.callback(server.kill)
        stage = Stage()
        stack.callback(stage.close)
        for _ in range(2):
            stage.start_engine()
        control = ControlPlane(server, stage, rng)
        await stack.enter_async_context(control)
        await control.begin()
        seed_file = str(server.seed_file(Service.ROUTER))
        router = RouterProcess(
            directory / "router", *stage.endpoints(), nats_url=server.url, nats_seed_file=seed_file, **_SETTINGS
        )
        await stack.enter_async_context(router)
        await eventually(lambda: _knows_all(router), within_s=30.0, why="the router has the table from the bus")
        yield router, control, stage


async def _knows_all(router: RouterProcess) -> bool:
    """Ask with the key that came last, for the routes."""
    async with router.session.get("/v1/models", headers={"authorization": f"Bearer {LIMITED}"}) as answer:
        return answer.status == 200 and {CACHED, DEAD} <= {one["id"] for one in (await answer.json())["data"]}
