"""Answers that pages of a session share: one question at a time, and none that nobody can wait for is waited for."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from roundhouse_console.clients.cached import Cached
from roundhouse_console.domain.errors import ConsoleError
from tests.support.hand_clock import HandClock


class Service:
    """Answers 1, 2, 3, once it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_free = asyncio.Event()
        self.breaks = False

    async def __call__(self) -> int:
        self.asked += 1
        found = self.asked
        await self.is_free.wait()
        if self.breaks:
            raise ConsoleError("It broke.")
        return found


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_pages_share_a_question_and_its_answer_for_a_moment() -> None:
    clock, service = HandClock(), Service()
    cached = Cached(clock)
    service.is_free.set()

    def look() -> Awaitable[int]:
        return cached.get("one", service, for_s=2.0)

    assert list(await asyncio.gather(look(), look(), look())) == [1, 1, 1]
    clock.at += 3
    assert await look() == 2


async def test_an_answer_that_takes_long_is_not_asked_for_twice() -> None:
    clock, service = HandClock(), Service()
    cached = Cached(clock)
    first = asyncio.create_task(cached.get("one", service, for_s=2.0))
    await settled()
    clock.at += 10
    second = asyncio.create_task(cached.get("one", service, for_s=2.0))
    await settled()
    service.is_free.set()
    assert (await first, await second, service.asked) == (1, 1, 1)


async def test_what_takes_long_is_not_waited_for_and_not_asked_twice() -> None:
    clock, service = HandClock(), Service()
    cached = Cached(clock)
    look = _latest(cached, service)
    assert [look() for _ in range(20)] == [None] * 20
    await settled()
    clock.at += 100
    assert look() is None
    assert service.asked == 1
    service.is_free.set()
    await settled()
    assert look() == 1


async def test_the_last_answer_shows_until_the_next_is_there() -> None:
    clock, service = HandClock(), Service()
    cached = Cached(clock)
    look = _latest(cached, service)
    service.is_free.set()
    look()
    await settled()
    service.is_free.clear()
    clock.at += 61
    assert look() == 1
    await settled()
    assert (look(), service.asked) == (1, 2)
    service.is_free.set()
    await settled()
    assert look() == 2


@pytest.mark.filterwarnings("error")
async def test_a_failure_keeps_the_last_answer_and_is_not_asked_again_at_once() -> None:
    clock, service = HandClock(), Service()
    cached = Cached(clock)
    look = _latest(cached, service)
    service.is_free.set()
    look()
    await settled()
    service.breaks = True
    clock.at += 61
    look()
    await settled()
    assert [look() for _ in range(3)] == [1, 1, 1]
    assert service.asked == 2
    service.breaks = False
    clock.at += 61
    look()
    await settled()
    assert look() == 3


def _latest(cached: Cached, service: Service) -> Callable[[], int | None]:
    return lambda: cached.latest("slow", service, for_s=60.0)
