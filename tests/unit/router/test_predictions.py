"""Predictions: made, followed, and cancelled when nobody waits for them; time and the provider are the test's."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.formats.predictions import Predictions
from roundhouse_router.formats.replicate import ReplicateFormat
from roundhouse_router.formats.reply import UpstreamReply, WholeReply
from roundhouse_router.wire.errors import Broken, ConnectFailed, Silent, WireError
from tests.support.eventually import eventually
from tests.support.hand_clock import HandClock

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D23")]

BASE = "https://api.example.com/v1"
KEY = {"authorization": "Bearer sk"}
Answer = WireError | tuple[int, Any]  # Any: JSON


class Provider:
    """Sends nothing: answers from lists, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.made: Answer = (201, prediction("starting"))
        self.looks: list[Answer] = []
        self.parameters: Answer = (404, {})
        self.stream: list[bytes | WireError] = []
        self.hold: asyncio.Event | None = None
        self.is_cancelled = False

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> UpstreamReply:
        self.asked.append((method, url, headers, body))
        if url.endswith("/cancel"):
            self.is_cancelled = True
            return reply((200, {}))
        if method == "POST":
            if self.hold is not None:
                await self.hold.wait()
            return reply(self.made)
        if "/predictions/" in url:
            return reply(self.looks.pop(0))
        if "stream" in url:
            return Pieces(self.stream)
        return reply(self.parameters)

    @property
    def urls(self) -> list[str]:
        return [f"{method} {url.removeprefix(BASE)}" for method, url, _, _ in self.asked]


class Pieces(WholeReply):
    """A stream of pieces, the last of which may be a fault."""

    def __init__(self, pieces: list[bytes | WireError]) -> None:
        super().__init__(200, b"", b"text/event-stream")
        self.pieces = list(pieces)
        self.is_closed = False

    async def read(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, WireError):
            raise piece
        return piece

    def pump(self, sink: Callable[[bytes], None]) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for piece in self.pieces:
            if isinstance(piece, WireError):
                future.set_exception(piece)
                return future
            sink(piece)
        future.set_result(None)
        return future

    def close(self) -> None:
        self.is_closed = True


def reply(answer: Answer) -> WholeReply:
    if isinstance(answer, WireError):
        raise answer
    return WholeReply(answer[0], json.dumps(answer[1]).encode(), b"application/json")


def prediction(status: str, **more: Any) -> Any:  # Any: JSON
    return {"id": "p1", "status": status, **more}


def order(*, is_stream: bool = False) -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}).encode()
    return ReplicateFormat(HandClock()).request(body, "meta/llama", Operation.CHAT, is_stream=is_stream).body


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest_asyncio.fixture
async def predictions(clock: HandClock) -> AsyncIterator[Predictions]:
    async with Predictions(clock, clock.sleep) as made:
        yield made


async def ask(predictions: Predictions, provider: Provider, *, is_stream: bool = False) -> UpstreamReply:
    return await predictions.ask(provider.send, BASE, KEY, order(is_stream=is_stream), within_s=60.0)


async def test_a_short_one_is_there_at_once(predictions: Predictions, provider: Provider) -> None:
    provider.made = (201, prediction("succeeded", output=["a"]))
    answer = await ask(predictions, provider)
    assert (answer.status, json.loads(await answer.read_all(1000))["output"]) == (200, ["a"])
    assert provider.urls == ["GET /models/meta/llama", "POST /models/meta/llama/predictions"]
    headers, body = provider.asked[1][2:]
    assert (headers["prefer"], headers["cancel-after"], headers["authorization"]) == ("wait=5", "60s", "Bearer sk")
    assert json.loads(body) == {"input": {"prompt": "hi", "max_tokens": 4}}


async def test_a_long_one_is_looked_at_less_and_less_often(
    predictions: Predictions, provider: Provider, clock: HandClock
) -> None:
    busy: Answer = (200, prediction("processing"))
    provider.looks = [busy, busy, busy, ConnectFailed("x"), (500, {})]
    provider.looks.append((200, prediction("succeeded", output="yes")))
    answer = await ask(predictions, provider)
    assert json.loads(await answer.read_all(1000))["output"] == "yes"
    assert clock.slept == [0.5, 0.75, 1.125, 1.6875, 2.53125, 3.796875]
    assert not provider.is_cancelled


@pytest.mark.parametrize("status", ["failed", "canceled", "aborted"])
async def test_one_that_failed_has_the_status_of_a_failure(
    predictions: Predictions, provider: Provider, status: str
) -> None:
    provider.looks = [(200, prediction(status, error="no luck"))]
    answer = await ask(predictions, provider)
    assert answer.status == 502
    assert not provider.is_cancelled


async def test_one_that_does_not_end_is_cancelled(predictions: Predictions, provider: Provider) -> None:
    provider.looks = [(200, prediction("processing"))] * 100
    with pytest.raises(Silent):
        await ask(predictions, provider)
    await eventually(lambda: provider.is_cancelled)


async def test_a_provider_that_cannot_be_asked_is_given_up(predictions: Predictions, provider: Provider) -> None:
    provider.looks = [(503, {})] * 10
    with pytest.raises(Broken):
        await ask(predictions, provider)
    await eventually(lambda: provider.is_cancelled)
    assert len(provider.looks) == 5


async def test_a_refusal_is_passed_on(predictions: Predictions, provider: Provider) -> None:
    provider.made = (422, {"detail": "wrong"})
    answer = await ask(predictions, provider)
    assert (answer.status, await answer.read_all(1000)) == (422, b'{"detail": "wrong"}')


@pytest.mark.parametrize("made", [{"id": "../x", "status": "starting"}, {"status": "starting"}, [], "x"])
async def test_a_prediction_that_is_none_fails(predictions: Predictions, provider: Provider, made: Any) -> None:
    provider.made = (201, made)
    with pytest.raises(Broken):
        await ask(predictions, provider)
    assert len(provider.asked) == 2


async def test_a_client_that_leaves_cancels_it_while_it_is_made(predictions: Predictions, provider: Provider) -> None:
    provider.hold = asyncio.Event()
    asking = asyncio.create_task(ask(predictions, provider))
    await eventually(lambda: len(provider.asked) == 2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not provider.is_cancelled
    provider.hold.set()
    await eventually(lambda: provider.is_cancelled)


async def test_a_client_that_leaves_cancels_it_while_it_runs(provider: Provider) -> None:
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with Predictions(HandClock(), sleep) as predictions:
        asking = asyncio.create_task(ask(predictions, provider))
        await waiting.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert provider.urls[-1] == "POST /predictions/p1/cancel"


async def test_parameters_are_asked_for_once_an_hour(
    predictions: Predictions, provider: Provider, clock: HandClock
) -> None:
    properties = {"prompt": {"type": "string"}, "max_new_tokens": {"type": "integer"}}
    schema = {"components": {"schemas": {"Input": {"properties": properties}}}}
    provider.parameters = (200, {"latest_version": {"openapi_schema": schema}})
    provider.made = (201, prediction("succeeded", output="a"))
    for _ in range(2):
        await ask(predictions, provider)
    assert json.loads(provider.asked[1][3])["input"] == {"prompt": "hi", "max_new_tokens": 4}
    assert [url.split()[0] for url in provider.urls] == ["GET", "POST", "POST"]
    clock.at += 3601
    provider.parameters = ConnectFailed("gone")
    await ask(predictions, provider)
    assert "max_new_tokens" in json.loads(provider.asked[-1][3])["input"]


OUTPUT = b"event: output\ndata: a\n\n"
DONE = b"event: done\ndata: {}\n\n"


def with_stream(provider: Provider, *pieces: bytes | WireError, url: str = "https://stream.example.com/p1") -> None:
    provider.made = (201, prediction("starting", urls={"stream": url}))
    provider.stream = list(pieces)
    provider.looks = [(200, prediction("processing")), (200, prediction("succeeded", output=["a"]))]


async def test_a_stream_ends_with_the_prediction(predictions: Predictions, provider: Provider) -> None:
    with_stream(provider, OUTPUT, DONE[:8], DONE[8:], b"event: late\n\n")
    answer = await ask(predictions, provider, is_stream=True)
    told = await answer.read_all(10_000)
    assert told.startswith(OUTPUT + DONE + b"event: prediction\ndata: {")
    answer.close()
    assert not provider.is_cancelled
    made, streamed = provider.asked[1], provider.asked[2]
    assert "prefer" not in made[2]
    assert streamed[2] == {"accept": "text/event-stream", "cache-control": "no-store"}, "the key goes nowhere else"


async def test_a_pumped_stream_ends_so_too(predictions: Predictions, provider: Provider) -> None:
    with_stream(provider, OUTPUT, DONE)
    answer = await ask(predictions, provider, is_stream=True)
    assert await answer.read() == OUTPUT
    pieces: list[bytes] = []
    answer_pieces = Pieces([DONE])
    answer._reply = answer_pieces  # type: ignore[attr-defined] # what is left to be pumped
    await answer.pump(pieces.append)
    assert pieces[0] == DONE
    assert pieces[1].startswith(b"event: prediction")
    answer.close()
    assert not provider.is_cancelled


async def test_a_stream_that_is_given_up_is_cancelled(predictions: Predictions, provider: Provider) -> None:
    with_stream(provider, OUTPUT, DONE)
    answer = await ask(predictions, provider, is_stream=True)
    await answer.read()
    answer.close()
    answer.close()
    await eventually(lambda: provider.is_cancelled)
    assert provider.urls.count("POST /predictions/p1/cancel") == 1


async def test_a_stream_that_breaks_is_told_and_cancelled(predictions: Predictions, provider: Provider) -> None:
    with_stream(provider, OUTPUT, Broken("gone"))
    answer = await ask(predictions, provider, is_stream=True)
    pieces: list[bytes] = []
    with pytest.raises(Broken):
        await answer.pump(pieces.append)
    answer.close()
    assert pieces == [OUTPUT]
    await eventually(lambda: provider.is_cancelled)


async def test_a_model_without_a_stream_is_followed_and_told_at_the_end(
    predictions: Predictions, provider: Provider
) -> None:
    provider.looks = [(200, prediction("succeeded", output=["a"]))]
    answer = await ask(predictions, provider, is_stream=True)
    assert answer.headers[b"content-type"] == b"text/event-stream"
    assert (await answer.read()).startswith(b"event: prediction\n")


@pytest.mark.parametrize(
    "url",
    ["http://stream.example.com/x", "https://169.254.169.254/x", "https://[::1]/x", "https://localhost/x", "file:///x"],
)
async def test_odd_addresses_of_streams_are_not_asked(predictions: Predictions, provider: Provider, url: str) -> None:
    with_stream(provider, OUTPUT, url=url)
    with pytest.raises(Broken):
        await ask(predictions, provider, is_stream=True)
    assert url not in [asked[1] for asked in provider.asked]
    await eventually(lambda: provider.is_cancelled)
