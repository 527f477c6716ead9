"""Fetches one model into the store, as a process of its own, so that nothing it does holds up the agent:

    python -m roundhouse_node_agent.transfers.child

reads a FetchOrder as one line of JSON from standard input, which must stay open for as long as the process may live,
and writes Progress and at last Fetched or Refused to standard output. It may be killed at any moment.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.runtime import SystemClock, system_random
from roundhouse_node_agent.sources.kinds import sources
from roundhouse_node_agent.sources.source import FileSource, SourceOptions, SourceRefused
from roundhouse_node_agent.transfers.durable import disk_errors
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.messages import Answer, Fetched, FetchOrder, Progress, Refused
from roundhouse_node_agent.transfers.model_transfer import ModelTransfer
from roundhouse_node_agent.transfers.rate import Gauge, RateLimit
from roundhouse_node_agent.transfers.room import check_room
from roundhouse_node_agent.transfers.store import FileStore
from roundhouse_node_agent.transfers.tools import Tools
from roundhouse_node_agent.transfers.web import Web

__all__ = ["SourcesOf", "main", "obey"]

SourcesOf = Callable[[SourceOptions], Mapping[SourceKind, FileSource]]

_PROGRESS_EVERY_S: Final = 0.5
_ORPHANED: Final = 3
_LEAVE_S: Final = 2.0
_WRITERS: Final = 4
_HASHERS: Final = 2


def main(sources_of: SourcesOf = sources) -> int:
    """Return 0 when the model is in the store, 1 when it was refused."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=FetchOrder)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer = runner.run(_obey_parent(order, sources_of))
    if answer is None:
        return _ORPHANED
    _say(answer)
    return 0 if isinstance(answer, Fetched) else 1


async def _obey_parent(order: FetchOrder, sources_of: SourcesOf) -> Fetched | Refused | None:
    """Return what became of the order; None when nobody wants it any more."""
    task = asyncio.current_task()
    assert task is not None
    ending = (asyncio.get_running_loop(), task)
    threading.Thread(target=_end_with_parent, args=ending, name="parent", daemon=True).start()
    try:
        return await obey(order, sources_of, _say)
    except asyncio.CancelledError:
        return None


def _end_with_parent(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[object]") -> None:
    """Wait for the end of standard input; then end in good order, or soon as a crash would."""
    sys.stdin.buffer.read()
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(task.cancel)
    threading.Event().wait(_LEAVE_S)
    os._exit(_ORPHANED)


async def obey(order: FetchOrder, sources_of: SourcesOf, say: Callable[[Progress], None]) -> Fetched | Refused:
    """Return what became of an order; `say` gets progress meanwhile."""
    try:
        return await _transfer(order, sources_of, say)
    except (TransferFailed, SourceRefused) as error:
        return Refused(message=error.message, is_retryable=error.is_retryable)
    except OSError as error:  # of the store itself: the network's are dealt with where they come up
        return Refused(message=f"the model store at {order.root} cannot be used: {error}", is_retryable=False)


async def _transfer(order: FetchOrder, sources_of: SourcesOf, say: Callable[[Progress], None]) -> Fetched:
    clock, limits = SystemClock(), order.limits
    store, gauge = FileStore(Path(order.root)), Gauge(clock)
    with disk_errors(store.layout.partial):
        store.layout.make()
    with ThreadPoolExecutor(_WRITERS) as writing, ThreadPoolExecutor(_HASHERS) as hashing:
        async with Web(limits, clock) as web:
            tools = Tools(
                web=web,
                slots=asyncio.Semaphore(limits.connections),
                rate=RateLimit(limits.rate_bytes_s, clock=clock),
                gauge=gauge,
                limits=limits,
                clock=clock,
                rng=system_random(),
                writing=writing,
                hashing=hashing,
                check_room=lambda missing: check_room(store, missing, limits.headroom_bytes, limits.reserved_bytes),
            )
            transfer = ModelTransfer(order, store=store, sources=sources_of(order.options), tools=tools)
            telling = asyncio.create_task(_tell(transfer, gauge, say), name="progress")
            try:
                return Fetched(key=await transfer.run())
            finally:
                telling.cancel()
                await asyncio.wait([telling])


async def _tell(transfer: ModelTransfer, gauge: Gauge, say: Callable[[Progress], None]) -> None:
    while True:
        is_verifying = transfer.step == "fetching" and 0 < gauge.total_bytes <= gauge.stored_bytes
        say(
            Progress(
                step="verifying" if is_verifying else transfer.step,
                stored_bytes=gauge.stored_bytes,
                total_bytes=gauge.total_bytes,
                rate_bytes_s=gauge.rate_bytes_s(),
                left_s=gauge.left_s(),
                origin=gauge.origin,
                revision=transfer.revision,
            )
        )
        await asyncio.sleep(_PROGRESS_EVERY_S)


def _say(answer: Answer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
