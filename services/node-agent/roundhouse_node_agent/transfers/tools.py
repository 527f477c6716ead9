"""What the files of one transfer share: its connections, its limits, its threads."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from roundhouse_common.runtime import Clock
from roundhouse_node_agent.transfers.messages import TransferLimits
from roundhouse_node_agent.transfers.rate import Gauge, RateLimit
from roundhouse_node_agent.transfers.web import Web

__all__ = ["Tools", "in_thread", "together"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    web: Web
    slots: asyncio.Semaphore
    """One for each connection."""
    rate: RateLimit
    gauge: Gauge
    limits: TransferLimits
    clock: Clock
    rng: random.Random
    writing: Executor
    hashing: Executor
    check_room: Callable[[int], None]
    """Raises TransferFailed unless there is room for so many bytes more."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def in_thread(executor: Executor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call and wait for its end, also when cancelled: it uses a file that its caller then closes."""
    running = asyncio.get_running_loop().run_in_executor(executor, lambda: call(*args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def together(*work: Coroutine[Any, Any, object]) -> None:  # Any: what coroutines are typed with
    """Run all; the first that fails ends the others, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
