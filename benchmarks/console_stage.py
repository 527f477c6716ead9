"""What the console is looked at with: a whole platform, a fleet of simulated nodes, deployments, and usage records."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from roundhouse_cli.rest import Services
from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock
from roundhouse_metering.bus.usage import UsageRecorder
from tests.process.platform import Platform

__all__ = ["deploy", "fleet", "record_usage"]

_BATCH = 2_000
_DAY_S = 86_400.0
_GIB = 1024**3
_PATIENCE_S = 180.0


def _record(number: int, count: int, rng: random.Random, now: float) -> UsageRecord:
    model, key = min(rng.randrange(50), rng.randrange(50)), rng.randrange(200)
    took_ms = rng.lognormvariate(7.0, 0.8)
    at = now - _DAY_S * (count - number) / count
    return UsageRecord(
        request_id=f"req_{number:08x}{rng.getrandbits(96):024x}",
        router_id="rtr_0198c0de000070008000000000000001",
        sequence=number + 1,
        operation=Operation.CHAT,
        key_id=f"key_{key:032x}",
        user_id=f"usr_{key // 2:032x}",
        tenant_id="ten_default",
        model_requested=f"model-{model}",
        model_served=f"model-{model}",
        deployment_id=f"dep_{model:032x}",
        version_id=f"ver_{model:032x}",
        replica_id=f"rep_{2 * model + number % 2:032x}",
        node_id=f"nod_bench{model:04d}",
        api="openai.chat",
        admitted_at=at,
        ended_at=at + took_ms / 1000,
        duration_ms=took_ms,
        time_to_first_token_ms=took_ms / 10,
        is_stream=number % 2 == 0,
        outcome=Outcome.COMPLETED if rng.random() < 0.98 else Outcome.ABORTED,
        http_status=200,
        input_tokens=rng.randrange(2000),
        output_tokens=rng.randrange(800),
        source=UsageSource.ENGINE_FINAL,
    )


def record_usage(data_dir: Path, count: int) -> None:
    """Enter so many records of the last day into the ledger, before the platform starts; it counts them itself."""
    (data_dir / "metering").mkdir(parents=True, exist_ok=True)
    asyncio.run(_enter(f"sqlite+aiosqlite:///{data_dir}/metering/metering.db", count))


async def _enter(url: str, count: int) -> None:
    rng, now = random.Random(7), time.time()
    db = Database(url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        recorder = UsageRecorder(db, clock=SystemClock(), registry=CollectorRegistry())
        for first in range(0, count, _BATCH):
            await recorder(
                [
                    Delivery(
                        message=_record(number, count, rng, now),
                        event_id="",
                        subject="rh.use.v1.router.request.settled.r",
                        stream_sequence=number + 1,
                        deliveries=1,
                    )
                    for number in range(first, min(first + _BATCH, count))
                ]
            )


@contextmanager
def fleet(platform: Platform, directory: Path, nodes: int) -> Iterator[None]:
    """Let so many nodes of 8 devices join, and stay while the block runs."""
    url = f"nats://127.0.0.1:{platform.base_port + 5}"
    authority = str(platform.data_dir / "secrets" / "nats-authority.json")
    command = [sys.executable, "-m", "benchmarks.console_agents", url, str(directory), authority, str(nodes)]
    agents = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert agents.stdout is not None
        assert agents.stdout.readline() == b"ready\n"
        _wait(lambda: sum(one["condition"] == "ready" for one in platform.nodes()) > nodes)
        yield
    finally:
        assert agents.stdin is not None
        agents.stdin.close()
        agents.wait(timeout=30)


def deploy(platform: Platform, count: int) -> None:
    """Deploy so many models, and wait until their simulated engines are ready."""

    def ask(services: Services) -> None:
        for number in range(count):
            name = f"bench-{number:02d}"
            source = {"kind": "hugging-face", "uri": f"organisation/{name}", "revision": f"{number:040x}"}
            model = {"name": name, "kind": "chat", "source": source, "context_length": 4096, "memory_bytes": _GIB}
            services.catalog.post("/api/v1/models", model)
            resources = {"memory_bytes": 8 * _GIB, "device_count": 1}
            body = {"model": name, "name": name, "engine": "llama.cpp", "replicas": 2, "resources": resources}
            services.catalog.post("/api/v1/deployments", body)

    platform.ask(ask)
    _wait(lambda: sum(one["phase"] == "ready" for one in platform.replicas()) >= 2 * count)


def _wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the stage did not get ready")
        time.sleep(0.5)
