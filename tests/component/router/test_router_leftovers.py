"""Usage of workers that are no more is published by the first one."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.spool import Spool, SpoolLimits
from roundhouse_router.workers.leftovers import Leftovers
from roundhouse_router.workers.places import leftovers, place_of
from tests.support.eventually import eventually
from tests.support.running_router import Fleet
from tests.support.usage import usage_record


def spool_of(state_dir: Path, worker: int) -> Spool:
    directory = place_of(state_dir, worker) / "spool"
    return Spool.open(directory, limits=SpoolLimits(), clock=SystemClock(), ids=SystemIds())


def test_only_workers_beyond_the_number_leave_something(tmp_path: Path) -> None:
    for worker in range(4):
        spool_of(tmp_path, worker).close()
    (tmp_path / "workers" / "notes").mkdir()
    assert [path.name for path in leftovers(tmp_path, 2)] == ["2", "3"]
    assert place_of(tmp_path, 0) == tmp_path, "a router that had no workers keeps what it has"


@pytest.mark.contract("D17")
async def test_what_former_workers_left_is_published_once(tmp_path: Path) -> None:
    for worker in (1, 2):
        spool = spool_of(tmp_path, worker)
        sequence = spool.take_sequence()
        spool.settle(usage_record(sequence, router_id=spool.router_id, request_id=f"req_{worker}"))
        spool.close()
    settings = RouterSettings(state_dir=tmp_path, workers=1)
    async with Fleet() as fleet:
        bus = fleet.bus_of(ServiceName.ROUTER)
        await bus.connect()
        registry = CollectorRegistry()
        left = Leftovers(bus, settings, tmp_path, SpoolLimits(), registry, clock=SystemClock(), ids=SystemIds())
        running = asyncio.create_task(left.run(), name="leftovers")
        await eventually(lambda: {one.request_id for one in fleet.records} == {"req_1", "req_2"})
        await eventually(lambda: registry.get_sample_value("roundhouse_router_leftover_depth") == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        spool_of(tmp_path, 1).close()  # it was let go
        await bus.close()
    assert len(fleet.records) == 2
