"""The fast path and the pipeline give the same: answer, usage record, metrics, and what the engine sees.

A request that asks for its key's own priority by header goes to the pipeline, and is otherwise the same request.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import msgspec
import pytest

from roundhouse_common.contracts.routing import LimitDimension
from roundhouse_common.contracts.usage import Outcome, UsageRecord
from roundhouse_router import main
from roundhouse_router.api.entry import Entry
from roundhouse_router.api.pipeline import Pipeline
from tests.support.eventually import eventually
from tests.support.limit_records import limit
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, completion, sse, streams, usage_chunk

pytestmark = pytest.mark.contract("D05", "D11")

ROLE = sse({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
TIMED = re.compile("second|overhead|bytes|connections|created|process|python|asyncio|spool|publish|snapshot|bus|loop")
OWN = {"request_id", "router_id", "sequence", "admitted_at", "ended_at", "duration_ms", "time_to_first_token_ms"}
Act = Callable[[Exchange, int], Awaitable[None]]


async def whole(exchange: Exchange, asked: int) -> None:
    await exchange.whole(200, json.dumps(completion("hello")).encode())


async def in_halves(exchange: Exchange, asked: int) -> None:
    body = json.dumps(completion("hello")).encode()
    await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
    await asyncio.sleep(0.02)
    await exchange.raw(body[:20])
    await asyncio.sleep(0.02)
    await exchange.raw(body[20:])


async def without_length(exchange: Exchange, asked: int) -> None:
    await exchange.head(200, kind="application/json")
    await exchange.send(json.dumps(completion("hello", model="other")).encode())
    await exchange.end()


async def half_of_it(exchange: Exchange, asked: int) -> None:
    await exchange.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{")
    exchange.hang_up()


async def hangs_up_once(exchange: Exchange, asked: int) -> None:
    if asked == 1:
        exchange.hang_up()
    else:
        await whole(exchange, asked)


async def hangs_up(exchange: Exchange, asked: int) -> None:
    exchange.hang_up()


async def fails_once(exchange: Exchange, asked: int) -> None:
    if asked == 1:
        await exchange.whole(503, b"")
    else:
        await whole(exchange, asked)


async def fails(exchange: Exchange, asked: int) -> None:
    await exchange.whole(500, b'{"error":{"message":"no memory","type":"server_error"}}')


async def refuses(exchange: Exchange, asked: int) -> None:
    await exchange.whole(400, b'{"error":{"message":"temperature is wrong","type":"invalid_request_error"}}')


async def refuses_us(exchange: Exchange, asked: int) -> None:
    await exchange.whole(401, b"{}")


async def is_busy(exchange: Exchange, asked: int) -> None:
    await exchange.whole(429, b"{}", retry_after="1")


async def talks_nonsense(exchange: Exchange, asked: int) -> None:
    await exchange.raw(b"I am not HTTP\r\n\r\n")


async def is_silent(exchange: Exchange, asked: int) -> None:
    await exchange.silence()


async def is_no_json(exchange: Exchange, asked: int) -> None:
    await exchange.whole(200, b"nothing to read")


async def well(exchange: Exchange, asked: int) -> None:
    await streams(ROLE, chunk("hel"), chunk("lo"), usage_chunk(7, 3), DONE)(exchange)


async def in_one_write(exchange: Exchange, asked: int) -> None:
    pieces = (ROLE, chunk("hel"), chunk("lo"), usage_chunk(7, 3), DONE)
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    await exchange.raw(head + framed + b"0\r\n\r\n")


async def without_done(exchange: Exchange, asked: int) -> None:
    await exchange.head()
    await exchange.send(chunk("hello"))
    await exchange.end()


async def breaks_off(exchange: Exchange, asked: int) -> None:
    await exchange.head()
    await exchange.send(ROLE)
    await exchange.send(chunk("hel"))
    await asyncio.sleep(0.02)
    exchange.hang_up()


async def breaks_off_before(exchange: Exchange, asked: int) -> None:
    if asked > 1:
        await well(exchange, asked)
        return
    await exchange.head()
    await exchange.send(ROLE)
    await asyncio.sleep(0.02)
    exchange.hang_up()


async def ends_empty(exchange: Exchange, asked: int) -> None:
    await exchange.head()
    await exchange.send(ROLE)
    await exchange.end()


async def errs_first(exchange: Exchange, asked: int) -> None:
    if asked > 1:
        await well(exchange, asked)
        return
    await exchange.head()
    await exchange.send(sse({"error": {"message": "no room", "type": "server_error"}}))
    await exchange.end()


async def errs_later(exchange: Exchange, asked: int) -> None:
    await exchange.head()
    await exchange.send(chunk("hel"))
    await exchange.send(sse({"error": {"message": "no room", "type": "server_error"}}))
    await exchange.end()


async def falls_silent(exchange: Exchange, asked: int) -> None:
    await exchange.head()
    await exchange.send(chunk("hel"))
    await exchange.silence()


async def begins_late(exchange: Exchange, asked: int) -> None:
    await asyncio.sleep(0.35)
    await well(exchange, asked)


async def role_then_late(exchange: Exchange, asked: int) -> None:
    await exchange.head()
    await exchange.send(ROLE)
    await asyncio.sleep(0.35)
    await exchange.send(chunk("hello"))
    await exchange.send(DONE)
    await exchange.end()


LATE: tuple[Act, ...] = (is_silent, falls_silent, begins_late, role_then_late)
WHOLE: tuple[Act, ...] = (
    whole,
    in_halves,
    without_length,
    half_of_it,
    hangs_up_once,
    hangs_up,
    fails_once,
    fails,
    refuses,
    refuses_us,
    is_busy,
    talks_nonsense,
    is_no_json,
    is_silent,
    well,
)
STREAMED: tuple[Act, ...] = (
    well,
    in_one_write,
    without_done,
    breaks_off,
    breaks_off_before,
    ends_empty,
    errs_first,
    errs_later,
    falls_silent,
    begins_late,
    role_then_late,
    fails_once,
    refuses,
    whole,
)


class Taken:
    """How many requests the pipeline has taken from their beginning."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        patch.setattr(main, "Entry", self._entry)

    def _entry(self, *, pipeline: Pipeline, **others: Any) -> Entry:  # Any: what else an entry is made of
        # Not its method: a pipeline that runs compiled keeps the one that it has.
        counted = SimpleNamespace(answer=partial(self._answer, pipeline))
        return Entry(pipeline=cast(Pipeline, counted), **others)

    async def _answer(self, pipeline: Pipeline, *given: Any) -> None:  # Any: what `answer` takes
        self.count += 1
        await pipeline.answer(*given)


async def outcome(
    path: Path, act: Act, *, is_stream: bool, is_fast: bool, leaves: bool = False, padding: int = 0
) -> dict[str, Any]:
    """Return everything that is to be seen of one request to an engine that a connection is open to."""
    asked = [0]

    async def script(exchange: Exchange) -> None:
        asked[0] += 1
        await (whole(exchange, 0) if asked[0] == 1 else act(exchange, asked[0] - 1))

    # Others are never late, however busy the machine is.
    silence_s, comment_s = (0.9, 0.2) if act in LATE else (20.0, 20.0)
    quick = {"first_byte_timeout_s": silence_s, "idle_timeout_s": silence_s, "keep_alive_comment_s": comment_s}
    async with Fleet() as fleet, Engine(script) as engine, RunningRouter(path, fleet, **quick) as router:
        await fleet.put_limit(limit("all", LimitDimension.KEY, requests_per_minute=9, tokens_per_minute=10**6))
        await fleet.serve(engine)
        await router.ready()
        async with router.post() as warm:
            assert warm.status == 200, await warm.text()
        headers = {} if is_fast else {"x-roundhouse-priority": "0"}
        body: dict[str, Any] = {"stream": True} if is_stream else {}
        if padding:
            body["metadata"] = {"padding": "x" * padding}
        if leaves:
            answer: Any = await left(router, body, headers)
        else:
            async with router.post(body, **headers) as got:
                answer = {"status": got.status, "headers": shown(got), "body": without_ids(await read(got))}
        await eventually(lambda: len(fleet.by_id) == 2, why="both records are there")
        seen = [without_ids(exchange.body) for exchange in engine.exchanges]
        record = max(fleet.by_id.values(), key=lambda record: record.sequence)
        return {
            "answer": answer,
            "seen": seen,
            "record": kept(record),
            "timed": record.time_to_first_token_ms is not None,
            "metrics": metrics(router),
        }


async def left(router: RunningRouter, body: dict[str, Any], headers: dict[str, str]) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.4), router.post(body, **headers) as got:
            await got.read()
    return "left"


async def read(got: aiohttp.ClientResponse) -> bytes:
    parts = []
    with suppress(aiohttp.ClientPayloadError):
        async for part in got.content.iter_any():
            parts.append(part)
    return b"".join(parts)


def shown(got: aiohttp.ClientResponse) -> dict[str, str]:
    dropped = {"date", "x-request-id", "x-ratelimit-remaining-tokens"}
    return {name.lower(): text for name, text in got.headers.items() if name.lower() not in dropped}


def without_ids(data: bytes) -> str:
    """Leave out what differs from request to request: ids, and how many comments a silence was long enough for."""
    return re.sub(r"(:[^\n]*\n\n)\1+", r"\1", re.sub(r"req_[0-9a-f]+", "req", data.decode()))


def kept(record: UsageRecord) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(record).items() if name not in OWN}


def metrics(router: RunningRouter) -> dict[str, float]:
    """Return all that counts requests, without what counts time."""
    found = {}
    for family in router.service.registry.collect():
        for sample in family.samples:
            if sample.name.endswith(("_bucket", "_sum")) or sample.name.endswith("_created"):
                continue
            if not TIMED.search(sample.name) or sample.name.endswith("_count"):
                found[f"{sample.name}{sorted(sample.labels.items())}"] = sample.value
    return found


@pytest.mark.parametrize("act", WHOLE, ids=lambda act: act.__name__)
async def test_whole_answers(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await compare(act, tmp_path, monkeypatch, is_stream=False)


@pytest.mark.parametrize("act", STREAMED, ids=lambda act: act.__name__)
async def test_streams(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await compare(act, tmp_path, monkeypatch, is_stream=True)


@pytest.mark.parametrize("padding", [20_000, 400_000])
@pytest.mark.parametrize(("act", "is_stream"), [(whole, False), (well, True)], ids=["whole", "stream"])
async def test_large_bodies(
    act: Act, is_stream: bool, padding: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await compare(act, tmp_path, monkeypatch, is_stream=is_stream, padding=padding)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("act", [is_silent, falls_silent, half_of_it], ids=lambda act: act.__name__)
async def test_clients_that_leave(act: Act, is_stream: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await compare(act, tmp_path, monkeypatch, is_stream=is_stream, leaves=True)


@pytest.mark.parametrize("act", [is_silent, falls_silent], ids=lambda act: act.__name__)
async def test_a_router_that_stops_cuts_off_what_it_does_not_wait_for(
    act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Taken(monkeypatch)
    async with Fleet() as fleet, Engine() as engine:
        async with RunningRouter(tmp_path, fleet, drain_timeout_s=0.5) as router:
            await fleet.serve(engine)
            await router.ready()
            async with router.post() as warm:
                assert warm.status == 200
            taken.count = 0
            engine.script = lambda exchange: act(exchange, 1)
            asking = asyncio.ensure_future(stream(router))
            await eventually(lambda: len(engine.exchanges) == 2)
            router.service.stop()
            await eventually(lambda: len(fleet.by_id) == 2)
            await asyncio.gather(asking, return_exceptions=True)
        assert taken.count == 0, "the pipeline took it"
        record = max(fleet.by_id.values(), key=lambda record: record.sequence)
    assert (record.outcome, record.error_code) == (Outcome.ABORTED, "router_stopped")


async def stream(router: RunningRouter) -> bytes:
    async with router.stream() as got:
        return await read(got)


async def compare(
    act: Act, path: Path, patch: pytest.MonkeyPatch, *, is_stream: bool, leaves: bool = False, padding: int = 0
) -> None:
    taken = Taken(patch)
    fast = await outcome(path / "fast", act, is_stream=is_stream, is_fast=True, leaves=leaves, padding=padding)
    assert taken.count == 0, "the pipeline took it"
    slow = await outcome(path / "slow", act, is_stream=is_stream, is_fast=False, leaves=leaves, padding=padding)
    assert taken.count == 1
    assert fast == slow
