"""Equal requests in flight share one call of an engine."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from roundhouse_router.domain.errors import ApiError, Internal, RouterStopping, UpstreamFailed, UpstreamTimeout
from roundhouse_router.reuse.coalescing import Coalescer, Seat
from roundhouse_router.reuse.metrics import ReuseMetrics
from roundhouse_router.reuse.shared import Shared
from roundhouse_router.reuse.sink import Headers
from roundhouse_router.wire.errors import ClientLeft
from tests.support.eventually import eventually
from tests.support.sinks import FakeClient

pytestmark = pytest.mark.contract("D16")

KEY = b"k" * 32
TYPE: Headers = [(b"content-type", b"text/event-stream")]


class World:
    """A coalescer, clients at it, and the work in the hands of the test."""

    def __init__(self, *, buffer_bytes: int = 1000) -> None:
        self.registry = CollectorRegistry()
        self.coalescer: Coalescer[str] = Coalescer(buffer_bytes=buffer_bytes, metrics=ReuseMetrics(self.registry))
        self.calls: list[Shared[str]] = []
        self.has_left = 0
        self._orders: asyncio.Queue[Callable[[Shared[str]], None]] = asyncio.Queue()

    async def work(self, shared: Shared[str]) -> None:
        self.calls.append(shared)
        try:
            async with shared.guarded():
                while not shared.is_ended:
                    (await self._orders.get())(shared)
        except ClientLeft:
            self.has_left += 1
            raise

    async def do(self, order: Callable[[Shared[str]], None]) -> None:
        """Let the work do something."""
        self._orders.put_nowait(order)
        await settled()

    def ask(
        self,
        client: FakeClient,
        *,
        key: bytes = KEY,
        name: str = "",
        work: Callable[[Shared[str]], Awaitable[None]] | None = None,
        on_end: Callable[[str], None] | None = None,
    ) -> "asyncio.Task[bool]":
        async def request() -> bool:
            with self.coalescer.seat(key) as seat:
                if seat.is_first:
                    seat.begin(work or self.work, leader=name)
                await seat.relay(client, [(b"x-request-id", name.encode())], on_end=on_end)
                return seat.is_first

        return asyncio.create_task(request())


async def settled() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


def start(shared: Shared[str]) -> None:
    shared.start(200, TYPE)


def write(data: bytes) -> Callable[[Shared[str]], None]:
    return lambda shared: shared.write(data)


def end(data: bytes = b"") -> Callable[[Shared[str]], None]:
    return lambda shared: shared.end(data)


def fail(shared: Shared[str]) -> None:
    raise UpstreamFailed("The engine is gone.")


async def test_a_stream_goes_to_all_and_who_comes_late_gets_what_has_passed() -> None:
    world, one, two = World(), FakeClient(), FakeClient()
    first = world.ask(one, name="one")
    await settled()
    await world.do(start)
    await world.do(write(b"a"))
    second = world.ask(two, name="two")
    await settled()
    assert two.body == b"a"
    await world.do(write(b"b"))
    assert one.chunks == two.chunks == [b"a", b"b"]
    await world.do(end(b"c"))
    assert (await first, await second) == (True, False)
    assert one.body == two.body == b"abc"
    assert one.is_ended
    assert two.is_ended
    assert len(world.calls) == 1
    assert (one.header(b"x-request-id"), two.header(b"x-request-id")) == (b"one", b"two")
    assert two.header(b"content-type") == b"text/event-stream"
    assert len(world.coalescer) == 0
    assert world.registry.get_sample_value("roundhouse_router_coalesced_requests_total") == 1


async def test_a_whole_answer_goes_to_all() -> None:
    world, clients = World(), [FakeClient() for _ in range(3)]
    tasks = [world.ask(client) for client in clients]
    await settled()
    await world.do(lambda shared: shared.answer(200, [(b"content-type", b"application/json")], b"{}"))
    assert await asyncio.gather(*tasks) == [True, False, False]
    assert all(client.is_whole and client.body == b"{}" and client.status == 200 for client in clients)


async def test_other_keys_have_work_of_their_own() -> None:
    world = World()
    tasks = [world.ask(FakeClient(), key=bytes([n]) * 32) for n in range(2)]
    await settled()
    assert len(world.calls) == 2
    for _ in tasks:
        await world.do(lambda shared: shared.answer(200, TYPE, b"x"))
    assert await asyncio.gather(*tasks) == [True, True]


async def test_a_request_after_the_end_begins_anew() -> None:
    world = World()
    for _ in range(2):
        task = world.ask(FakeClient())
        await settled()
        await world.do(lambda shared: shared.answer(200, TYPE, b"x"))
        assert await task
    assert len(world.calls) == 2


async def test_the_work_goes_on_when_its_first_client_leaves_and_others_remain() -> None:
    world, two = World(), FakeClient()
    first = world.ask(FakeClient())
    second = world.ask(two)
    await settled()
    await world.do(start)
    first.cancel()
    await settled()
    await world.do(end(b"whole"))
    assert await second is False
    assert two.body == b"whole"
    assert world.has_left == 0


async def test_the_work_ends_at_once_when_the_last_client_leaves() -> None:
    world = World()
    tasks = [world.ask(FakeClient()) for _ in range(2)]
    await settled()
    tasks[0].cancel()
    await settled()
    assert world.has_left == 0
    tasks[1].cancel()
    await settled()
    assert world.has_left == 1
    assert len(world.coalescer) == 0
    again = world.ask(FakeClient())
    await settled()
    assert len(world.calls) == 2, "nobody joins work that was given up"
    again.cancel()
    await settled()


async def test_all_get_the_failure_of_the_work() -> None:
    world = World()
    tasks = [world.ask(FakeClient()) for _ in range(3)]
    await settled()
    await world.do(fail)
    for task in tasks:
        with pytest.raises(UpstreamFailed, match="gone"):
            await task
    assert len(world.coalescer) == 0


async def test_a_defect_of_the_work_is_told_once_and_is_a_500_for_all() -> None:
    world, told = World(), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    async def broken(shared: Shared[str]) -> None:
        await asyncio.sleep(0)
        raise ValueError("a defect")

    tasks = [world.ask(FakeClient(), work=broken) for _ in range(2)]
    for task in tasks:
        with pytest.raises(Internal):
            await task
    await settled()
    assert [str(context["exception"]) for context in told] == ["a defect"]


async def test_work_that_stops_without_an_end_is_a_500() -> None:
    world = World()

    async def forgetful(shared: Shared[str]) -> None:
        shared.start(200, TYPE)

    with pytest.raises(Internal):
        await world.ask(FakeClient(), work=forgetful)


async def test_each_request_settles_before_its_last_bytes_and_knows_who_led() -> None:
    world, seen = World(), []
    one, two = FakeClient(), FakeClient()
    tasks = [
        world.ask(one, name="one"),
        world.ask(two, name="two", on_end=lambda leader: seen.append((leader, two.body))),
    ]
    await settled()
    await world.do(start)
    await world.do(write(b"a"))
    await world.do(end(b"z"))
    await asyncio.gather(*tasks)
    assert seen == [("one", b"a")]


async def test_a_slow_client_does_not_hold_up_the_others_and_catches_up() -> None:
    world, fast, slow = World(), FakeClient(), FakeClient(room=1)
    tasks = [world.ask(fast), world.ask(slow)]
    await settled()
    await world.do(start)
    for letter in (b"a", b"b", b"c"):
        await world.do(write(letter))
    assert fast.body == b"abc"
    assert slow.body == b"a"
    assert world.calls[0].is_writable
    await world.do(end(b"d"))
    assert await tasks[0]
    for _ in range(3):
        slow.take()
    assert await tasks[1] is False
    assert slow.body == b"abcd"


async def test_a_client_that_is_a_whole_buffer_behind_is_given_up() -> None:
    world, fast, slow = World(buffer_bytes=10), FakeClient(), FakeClient(room=1)
    tasks = [world.ask(fast), world.ask(slow)]
    await settled()
    await world.do(start)
    for _ in range(4):
        await world.do(write(b"12345"))
    with pytest.raises(UpstreamTimeout) as error:
        await tasks[1]
    assert error.value.error_code == "client_too_slow"
    await world.do(end())
    assert await tasks[0]
    assert fast.body == b"12345" * 4


async def test_nobody_joins_what_has_outgrown_the_buffer() -> None:
    world, one = World(buffer_bytes=10), FakeClient()
    first = world.ask(one)
    await settled()
    await world.do(start)
    await world.do(write(b"x" * 11))
    second = world.ask(FakeClient())
    await settled()
    assert len(world.calls) == 2
    second.cancel()
    await settled()
    await world.do(end())
    assert await first


async def test_the_fastest_client_sets_the_pace_of_the_engine() -> None:
    world, paused, resumed = World(), [], []
    clients = [FakeClient(room=1), FakeClient(room=3)]
    tasks = [world.ask(client) for client in clients]
    await settled()
    shared = world.calls[0]
    shared.on_paused, shared.on_drained = lambda: paused.append(1), lambda: resumed.append(1)
    await world.do(start)
    await world.do(write(b"abc"))
    assert paused == []
    await world.do(write(b"d"))
    assert paused == [1]
    waiting = asyncio.create_task(shared.drained())
    clients[1].take()
    await waiting
    assert shared.is_writable
    assert resumed == [1]
    await world.do(end())
    for _ in range(3):
        for client in clients:
            client.take()
    await asyncio.gather(*tasks)


async def test_stopping_ends_the_work() -> None:
    world = World()
    task = world.ask(FakeClient())
    await settled()
    await world.coalescer.stop()
    with pytest.raises(RouterStopping):
        await task
    assert world.has_left == 0


async def test_a_seat_that_never_relays_leaves_nothing_behind() -> None:
    world = World()
    with world.coalescer.seat(KEY) as seat:
        assert isinstance(seat, Seat)
    assert len(world.coalescer) == 0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("wjtl"), st.integers(0, 5)), max_size=40), st.integers(4, 40))
def test_every_client_gets_the_whole_answer_or_an_error_whatever_happens(
    steps: list[tuple[str, int]], buffer_bytes: int
) -> None:
    asyncio.run(_play(steps, buffer_bytes))


async def _play(steps: list[tuple[str, int]], buffer_bytes: int) -> None:
    world = World(buffer_bytes=buffer_bytes)
    clients: list[tuple[FakeClient, asyncio.Task[bool]]] = []

    def join(room: int) -> None:
        client = FakeClient(room=room or None)
        clients.append((client, world.ask(client)))

    join(0)
    await settled()
    await world.do(start)
    shared, sent = world.calls[0], b""
    number = 0
    for what, value in steps:
        if what == "w" and not shared.has_left:
            number += 1
            data = f"[{number}]".encode()
            sent += data
            await world.do(write(data))
        elif what == "j" and shared.is_joinable and not shared.has_left:
            join(value)
            await settled()
        elif what == "t" and clients:
            clients[value % len(clients)][0].take()
        elif what == "l" and clients and value:
            clients[value % len(clients)][1].cancel()
            await settled()
        assert shared._held_bytes <= buffer_bytes + 5 or not shared.is_writable or shared.has_left
    if not shared.has_left:
        await world.do(end(b"."))
    for client, task in clients:
        for _ in range(number + 2):
            client.take()
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(done, bool):
            assert client.is_ended
            assert client.body == sent + b"."
        else:
            assert isinstance(done, (ApiError, asyncio.CancelledError))
            assert sent.startswith(client.body)
    await eventually(lambda: len(world.coalescer) == 0)
