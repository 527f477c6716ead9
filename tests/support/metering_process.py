"""The real metering service as a process of its own, which may be killed and started again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, generate_keypair
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import SystemClock
from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.ports import free_port

__all__ = ["Metering", "metering_process"]

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
        await eventually(self.is_live, within_s=60, every_s=0.05)

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


@asynccontextmanager
async def metering_process(
    nats_server: NatsServer, database_url: str, directory: Path, **more: str
) -> AsyncIterator[Metering]:
    """Start it, with `more` settings, and end it however the test left it."""
    private, public = generate_keypair()
    (directory / "token-public.json").write_text(public)
    port = free_port()
    settings: dict[str, Any] = {
        "PORT": port,
        "STATE_DIR": directory / "metering",
        "DATABASE_URL": database_url,
        "NATS_URL": nats_server.url,
        "NATS_SEED_FILE": nats_server.seed_file(Service.METERING),
        "TOKEN_PUBLIC_KEY_FILE": directory / "token-public.json",
        "BATCH_SIZE": 32,
        "REBUILD_TIMEOUT_S": 2,
        "ENGINE_COUNTERS_EVERY_S": 0.2,
        "LOG_LEVEL": "warning",
        **more,
    }
    token = TokenSigner(private, clock=SystemClock()).sign(ADMINISTRATOR, 3600)
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
