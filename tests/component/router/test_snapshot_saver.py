"""What is on disk is the newest table, whichever write is the slowest."""

import asyncio
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import SystemClock
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.loops import snapshots
from roundhouse_router.loops.snapshots import SnapshotSaver
from roundhouse_router.metrics import RouterMetrics
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.snapshot import SavedTable, load_table, save_table
from tests.support.running_router import route

EMPTY = SavedTable(saved_at=0.0, keys={}, routes={}, endpoints={})


async def test_a_slow_write_that_was_given_up_does_not_replace_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's end cancels the loop in the middle of a write, and then saves what is known."""
    begun, may_end, written = threading.Event(), threading.Event(), threading.Event()

    def slow_at_first(directory: Path, table: SavedTable) -> None:
        if begun.is_set():
            save_table(directory, table)
            return
        begun.set()
        may_end.wait(30)
        save_table(directory, table)
        written.set()

    monkeypatch.setattr(snapshots, "save_table", slow_at_first)
    bus = MemoryBus(MemoryBroker(SystemClock()), Service.ROUTER, clock=SystemClock())
    plane = ControlPlane(bus, SystemClock(), EMPTY, on_endpoints=lambda table: None)
    settings = RouterSettings(state_dir=tmp_path)
    saver = SnapshotSaver(plane, settings, RouterMetrics(CollectorRegistry()), dict)
    first = asyncio.ensure_future(saver.save_now())
    await asyncio.to_thread(begun.wait, 30)
    first.cancel()
    await asyncio.wait((first,))
    plane._hear_routes({"rte_1": route()})
    last = asyncio.ensure_future(saver.save_now())
    await asyncio.wait((last,), timeout=0.3)  # as long as a write may take that does not wait for the other one
    may_end.set()
    await asyncio.to_thread(written.wait, 30)
    await last
    kept = load_table(tmp_path)
    assert kept is not None
    assert list(kept.routes) == ["rte_1"]
