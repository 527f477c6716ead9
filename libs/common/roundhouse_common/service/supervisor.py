"""Loops that are kept running: a crash is logged, counted and answered with a restart, later each time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.errors import RoundhouseError
from roundhouse_common.runtime import Clock
from roundhouse_common.service.logging import get_logger

__all__ = ["Supervisor"]

_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 10.0
_HEALTHY_AFTER_S: Final = 30.0
"""A loop that ran this long before it crashed starts over with the shortest delay."""

_log = get_logger(__name__)


class Supervisor:
    """Runs loops for ever. Only this class catches every Exception of a loop."""

    def __init__(
        self,
        *,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
        first_delay_s: float = _FIRST_DELAY_S,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._first_delay_s = first_delay_s
        self._crashes = Counter(
            "roundhouse_loop_crashes", "Loops that crashed and were started again", ["loop"], registry=registry
        )

    async def keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> NoReturn:
        """Run the loop, and again whenever it ends in any way but by cancellation of this call."""
        crashes = self._crashes.labels(loop=name)
        failures = 0
        while True:
            started = self._clock.monotonic()
            problem = await self._run_once(run)
            if self._clock.monotonic() - started >= _HEALTHY_AFTER_S:
                failures = 0
            failures += 1
            crashes.inc()
            delay_s = self.delay_s(failures)
            _report(name, problem, failures=failures, delay_s=delay_s)
            await asyncio.sleep(delay_s)

    def delay_s(self, failures: int) -> float:
        """Return how long to wait after so many crashes in a row: doubling to 10 s, with jitter down to a half."""
        full: float = min(_LONGEST_DELAY_S, self._first_delay_s * 2 ** min(failures - 1, 20))
        jitter: float = self._rng.random()
        return full * (0.5 + jitter / 2)

    async def _run_once(self, run: Callable[[], Awaitable[None]]) -> BaseException:
        try:
            await run()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return error  # something that the loop waited for was cancelled, not the loop
        except Exception as error:  # noqa: BLE001 - the supervisor: nothing that a loop raises may end the service
            return error
        return RuntimeError("the loop returned; loops run until they are cancelled")


def _report(name: str, problem: BaseException, *, failures: int, delay_s: float) -> None:
    fields = {"loop": name, "failures": failures, "restart_in_s": round(delay_s, 3), "error": repr(problem)}
    if _is_interruption(problem):
        _log.warning("loop_interrupted", **fields)  # a dependency is away: a known thing, so no traceback
    else:
        _log.error("loop_crashed", **fields, exc_info=problem)


def _is_interruption(problem: BaseException) -> bool:
    """Whether nothing but dependencies that are away ended the loop, also where several of its tasks noticed."""
    if isinstance(problem, BaseExceptionGroup):
        return all(_is_interruption(one) for one in problem.exceptions)
    return isinstance(problem, RoundhouseError) and problem.retryable
