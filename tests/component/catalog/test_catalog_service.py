"""The service as a process of its own, on a real nats-server with the permissions of production."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, generate_keypair
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import SPECS
from roundhouse_common.runtime import SystemClock
from tests.component.catalog.world import deployment_body, model_body
from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.ports import free_port


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running catalog."""

    http: httpx.AsyncClient
    child: subprocess.Popen[bytes]


@asynccontextmanager
async def a_process(directory: Path, nats: NatsServer) -> AsyncIterator[Process]:
    """Start a catalog in the directory and wait until it is ready; end it with SIGTERM."""
    private, public = generate_keypair()
    (directory / "public.json").write_text(public)
    port = free_port()
    settings = {
        "PORT": str(port),
        "STATE_DIR": str(directory / "catalog"),
        "NATS_URL": nats.url,
        "NATS_SEED_FILE": str(nats.seed_file(Service.CATALOG)),
        "TOKEN_PUBLIC_KEY_FILE": str(directory / "public.json"),
    }
    subject = Subject(id="usr_admin", tenant_id="ten_default", platform_roles=frozenset({Role.ADMINISTRATOR}))
    token = TokenSigner(private, clock=SystemClock()).sign(subject, 3600)
    environment = {**os.environ, **{f"ROUNDHOUSE_CATALOG_{name}": value for name, value in settings.items()}}
    with (directory / "log").open("ab") as log:
        child = subprocess.Popen([sys.executable, "-m", "roundhouse_catalog"], env=environment, stderr=log)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
        try:
            await eventually(lambda: is_ready(http), within_s=90)
            yield Process(http=http, child=child)
        finally:
            child.send_signal(signal.SIGTERM)
            await asyncio.to_thread(child.wait, 30)


async def is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.process
@pytest.mark.timeout(300)
async def test_deployments_survive_a_restart_and_a_wiped_nats(tmp_path: Path, nats_server: NatsServer) -> None:
    async with a_process(tmp_path, nats_server) as process:
        assert (await process.http.post("/api/v1/models", json=model_body())).status_code == 201
        deployment = (await process.http.post("/api/v1/deployments", json=deployment_body())).json()
        assert await specs_on(nats_server, deployment["id"]) == 1
    assert process.child.returncode == 0
    nats_server.stop()
    nats_server.wipe()
    nats_server.start()
    async with a_process(tmp_path, nats_server) as process:
        shown = (await process.http.get(f"/api/v1/deployments/{deployment['id']}")).json()
        assert shown == deployment
        assert await specs_on(nats_server, deployment["id"]) == 1
        nats_server.kill()
        changed = await process.http.patch(
            f"/api/v1/deployments/{deployment['id']}", json={"replicas": 2}, headers={"if-match": '"1"'}
        )
        assert changed.status_code == 200
        nats_server.start()
        await eventually(lambda: is_published(nats_server, deployment["id"], generation=2), within_s=20)
    assert process.child.returncode == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert "loop_crashed" not in events


async def specs_on(nats: NatsServer, deployment_id: str) -> int:
    """Return the generation that the scheduler reads on the bus, once there is one."""

    async def look() -> int:
        return await read_generation(nats, deployment_id)

    return await eventually(look, within_s=20)


async def is_published(nats: NatsServer, deployment_id: str, *, generation: int) -> bool:
    return await read_generation(nats, deployment_id) == generation


async def read_generation(nats: NatsServer, deployment_id: str) -> int:
    bus = NatsBus(Service.SCHEDULER, url=nats.url, seed_file=nats.seed_file(Service.SCHEDULER), clock=SystemClock())
    await bus.connect()
    try:
        entry = (await bus.bucket(SPECS).list()).get(deployment_id)
        return entry.value.generation if entry else 0
    finally:
        await bus.close()
