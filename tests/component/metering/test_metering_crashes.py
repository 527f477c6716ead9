"""The real service on the real nats-server: killed at any moment, it holds exactly one row per request."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, generate_keypair
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.operations import RebuildBus, Rebuilt
from roundhouse_common.contracts.registry import REPUBLISH_USAGE, USAGE
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import SystemClock
from tests.support.eventually import eventually
from tests.support.nats import NatsServer, free_port
from tests.support.usage import UsageRecords

CLOCK = SystemClock()
# What these show is metering's doing and the server's, whichever database is below: one will do.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADMINISTRATOR = Subject(id="usr_admin", tenant_id="ten_default", platform_roles=frozenset({Role.ADMINISTRATOR}))


@dataclass
class Metering:
    """`python -m roundhouse_metering` with a state directory of its own."""

    environment: Mapping[str, str]
    http: httpx.AsyncClient
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "roundhouse_metering", env={**os.environ, **self.environment}
        )
        await eventually(self.is_live, within_s=20)

    async def stop(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 20)

    async def is_live(self) -> bool:
        try:
            return (await self.http.get("/livez")).status_code == 200
        except httpx.TransportError:
            return False

    async def totals(self) -> dict[str, int]:
        answer = await self.http.get("/api/v1/reconciliation")
        assert answer.status_code == 200, answer.text
        found: dict[str, int] = answer.json()["totals"]
        return found

    async def recorded(self) -> int:
        return (await self.totals())["recorded"]


@dataclass
class Router:
    """The publishing half of a router: keeps what it published, like the spool does."""

    bus: NatsBus
    numbered: UsageRecords = field(default_factory=UsageRecords)
    retained: list[UsageRecord] = field(default_factory=list)

    async def publish(self, count: int) -> None:
        records = [self.numbered.next() for _ in range(count)]
        self.retained += records
        await self._append(records)

    async def republish(self, _question: RebuildBus, _ids: tuple[str, ...]) -> Rebuilt:
        await self._append(self.retained)
        return Rebuilt(instance="router-1", written={"USAGE": len(self.retained)})

    async def _append(self, records: list[UsageRecord]) -> None:
        for start in range(0, len(records), 100):
            some = records[start : start + 100]
            await asyncio.gather(
                *(self.bus.append(USAGE, record, "router-1", event_id=record.request_id) for record in some)
            )


@pytest_asyncio.fixture
async def metering(nats_server: NatsServer, database_url: str, tmp_path: Path) -> AsyncIterator[Metering]:
    private, public = generate_keypair()
    (tmp_path / "token-public.json").write_text(public)
    port = free_port()
    settings: dict[str, Any] = {
        "PORT": port,
        "STATE_DIR": tmp_path / "metering",
        "DATABASE_URL": database_url,
        "NATS_URL": nats_server.url,
        "NATS_SEED_FILE": nats_server.seed_file(Service.METERING),
        "TOKEN_PUBLIC_KEY_FILE": tmp_path / "token-public.json",
        "BATCH_SIZE": 32,
        "REBUILD_TIMEOUT_S": 2,
        "LOG_LEVEL": "warning",
    }
    token = TokenSigner(private, clock=CLOCK).sign(ADMINISTRATOR, 600)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {token}"}, trust_env=False
    ) as http:
        made = Metering({f"ROUNDHOUSE_METERING_{name}": str(value) for name, value in settings.items()}, http)
        await made.start()
        try:
            yield made
        finally:
            if made.process is not None and made.process.returncode is None:
                await made.stop(signal.SIGKILL)


@pytest_asyncio.fixture
async def router(nats_server: NatsServer) -> AsyncIterator[Router]:
    bus = NatsBus(
        Service.ROUTER,
        url=nats_server.url,
        seed_file=nats_server.seed_file(Service.ROUTER),
        instance="router-1",
        clock=CLOCK,
    )
    await bus.connect()
    made = Router(bus)
    await bus.serve(REPUBLISH_USAGE, made.republish)
    yield made
    await bus.close()


@pytest.mark.process
@pytest.mark.contract("F01")
async def test_killed_in_mid_batch_it_loses_and_repeats_nothing(metering: Metering, router: Router) -> None:
    for _ in range(3):
        before = await metering.recorded()
        publishing = asyncio.create_task(router.publish(1000))
        await eventually(lambda before=before: _grows(metering, before), within_s=20)  # type: ignore[misc]
        await metering.stop(signal.SIGKILL)
        await publishing
        await metering.start()
    await eventually(lambda: _holds(metering, 3000), within_s=60, every_s=0.1)
    assert await metering.totals() == {
        "admitted": 3000, "recorded": 3000, "completed": 3000, "failed": 0, "aborted": 0, "missing": 0, "repeated": 0,
    }  # fmt: skip


@ON_SQLITE
@pytest.mark.process
async def test_stopped_in_mid_batch_it_goes_on_at_once(metering: Metering, router: Router) -> None:
    await router.publish(500)
    assert await metering.stop(signal.SIGTERM) == 0
    await router.publish(500)
    await metering.start()
    # What was in hand was handed back: nothing waits for the acknowledgement to time out.
    await eventually(lambda: _holds(metering, 1000), within_s=8, every_s=0.1)


@ON_SQLITE
@pytest.mark.process
async def test_a_killed_nats_server_costs_time_only(
    metering: Metering, router: Router, nats_server: NatsServer
) -> None:
    await router.publish(300)
    nats_server.kill()
    await eventually(lambda: _is_ready(metering, False), within_s=20)
    nats_server.start()
    await eventually(lambda: router.bus.is_connected, within_s=20)
    await router.publish(300)
    await eventually(lambda: _holds(metering, 600), within_s=60, every_s=0.1)
    assert (await metering.totals())["missing"] == 0


@ON_SQLITE
@pytest.mark.process
async def test_after_a_wipe_of_jetstream_a_rebuild_brings_back_what_was_lost(
    metering: Metering, router: Router, nats_server: NatsServer
) -> None:
    await router.publish(100)
    await eventually(lambda: _holds(metering, 100), within_s=20)
    await metering.stop(signal.SIGTERM)
    await router.publish(100)
    nats_server.kill()
    nats_server.wipe()
    nats_server.start()
    await metering.start()
    await eventually(lambda: _is_ready(metering, True), within_s=20)
    assert await metering.recorded() == 100
    answer = await metering.http.post("/api/v1/bus:rebuild", timeout=20)
    assert answer.json() == {"items": [{"instance": "router-1", "written": {"USAGE": 200}}]}
    await eventually(lambda: _holds(metering, 200), within_s=20)
    assert (await metering.totals())["missing"] == 0


async def _grows(metering: Metering, before: int) -> bool:
    return await metering.recorded() > before


async def _holds(metering: Metering, count: int) -> bool:
    assert await metering.recorded() == count
    return True


async def _is_ready(metering: Metering, wanted: bool) -> bool:
    answer = await metering.http.get("/readyz")
    return (answer.status_code == 200) is wanted
