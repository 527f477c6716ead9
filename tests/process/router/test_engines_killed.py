"""kill -9 of engines under a hundred concurrent streams over three replicas."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Outcome, UsageRecord
from tests.support.counting_engine import CountingEngine, counting_engine
from tests.support.eventually import eventually
from tests.support.router_process import RouterProcess
from tests.support.running_router import endpoint, route
from tests.support.spooled import spooled

pytestmark = pytest.mark.process

STREAMS = 100
COUNT = 40
PAUSE_S = 0.05
WHOLE = "".join(f"{number} " for number in range(1, COUNT + 1))
BODY = {"model": "tiny", "stream": True, "messages": [{"role": "user", "content": "Count."}], "max_tokens": 500}


@dataclass
class Seen:
    """What one client saw."""

    status: int = 0
    text: str = ""
    engines: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    is_done: bool = False


@pytest.fixture
def engines() -> Iterator[list[CountingEngine]]:
    with ExitStack() as stack:
        yield [stack.enter_context(counting_engine(COUNT, PAUSE_S)) for _ in range(3)]


def router_for(tmp_path: Path, engines: list[CountingEngine], *, is_continued: bool = False) -> RouterProcess:
    around = (endpoint(engine.base_url, n, engine=EngineKind.VLLM) for n, engine in enumerate(engines, 1))
    return RouterProcess(tmp_path, *around, routes=[route(is_continued=is_continued)])


async def stream(router: RouterProcess, seen: Seen) -> None:
    async with router.session.post("/v1/chat/completions", json=BODY) as answer:
        seen.status = answer.status
        async for line in answer.content:
            if line == b"data: [DONE]\n":
                seen.is_done = True
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                if "error" in event:
                    seen.errors.append(event["error"]["code"])
                    continue
                seen.engines.add(event["id"])
                seen.text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])


async def crowd(
    router: RouterProcess, engines: list[CountingEngine]
) -> tuple[list[Seen], "asyncio.Future[list[None]]"]:
    """Begin all streams; return when every one of them is at an engine."""
    seen = [Seen() for _ in range(STREAMS)]
    asking = asyncio.gather(*(stream(router, one) for one in seen))
    await eventually(lambda: asked(engines) == STREAMS, within_s=20, every_s=0.1)
    return seen, asking


def asked(engines: list[CountingEngine]) -> int:
    return sum(engine.asked() for engine in engines)


def failed(seen: list[Seen]) -> int:
    return sum(one.status not in (0, 200) or bool(one.errors) for one in seen)


def check_books(records: list[UsageRecord], *, failed: int) -> None:
    """Every request has exactly one record."""
    assert len({record.request_id for record in records}) == len(records) == STREAMS
    assert [record.outcome for record in records].count(Outcome.FAILED) == failed
    assert {record.outcome for record in records} <= {Outcome.COMPLETED, Outcome.FAILED}


@pytest.mark.contract("D19")
@pytest.mark.parametrize("killed", [1, 2])
async def test_before_the_first_token_no_client_sees_an_error(
    tmp_path: Path, engines: list[CountingEngine], killed: int
) -> None:
    async with router_for(tmp_path, engines) as router:
        seen, asking = await crowd(router, engines)
        dying, living = engines[:killed], engines[killed:]
        for engine in dying:
            assert engine.asked() > 20
            engine.kill()
        await eventually(lambda: asked(living) >= STREAMS - failed(seen), within_s=20, every_s=0.1)
        assert failed(seen) == 0
        for engine in living:
            engine.speak()
            engine.speak_on()
        await asking
    assert {(one.status, one.text, one.is_done, tuple(one.errors)) for one in seen} == {(200, WHOLE, True, ())}
    records = await spooled(tmp_path)
    check_books(records, failed=0)
    assert sum(record.attempts > 1 for record in records) > 20 * killed


async def test_after_it_only_the_streams_of_the_engine_end_and_with_an_error(
    tmp_path: Path, engines: list[CountingEngine]
) -> None:
    async with router_for(tmp_path, engines) as router:
        seen, asking = await crowd(router, engines)
        for engine in engines:
            engine.speak()
        await eventually(lambda: all(one.text for one in seen), within_s=20)
        had = engines[0].asked()
        engines[0].kill()
        for engine in engines[1:]:
            engine.speak_on()
        await asking
    broken = [one for one in seen if not one.is_done]
    assert len(broken) == had > 20
    assert len(set.union(*(one.engines for one in broken))) == 1, "they are all of one engine"
    assert all(one.errors == ["upstream_error"] and WHOLE.startswith(one.text) for one in broken)
    others = [one for one in seen if one.is_done]
    assert all(one.text == WHOLE and not one.errors for one in others)
    records = await spooled(tmp_path)
    check_books(records, failed=had)
    assert all(0 < record.output_tokens < COUNT for record in records if record.outcome is Outcome.FAILED)


@pytest.mark.contract("D19")
@pytest.mark.parametrize("killed", [1, 2])
async def test_where_the_route_says_so_they_go_on_elsewhere(
    tmp_path: Path, engines: list[CountingEngine], killed: int
) -> None:
    async with router_for(tmp_path, engines, is_continued=True) as router:
        seen, asking = await crowd(router, engines)
        for engine in engines:
            engine.speak()
        await eventually(lambda: all(one.text for one in seen), within_s=20)
        for engine in engines[:killed]:
            engine.kill()
        for engine in engines[killed:]:
            engine.speak_on()
        await asking
    assert {(one.status, one.text, one.is_done, tuple(one.errors)) for one in seen} == {(200, WHOLE, True, ())}
    assert all(len(one.engines) == 1 for one in seen), "one answer has one id"
    records = await spooled(tmp_path)
    check_books(records, failed=0)
    went_on = [record for record in records if record.continuations]
    assert len(went_on) > 20 * killed
    assert {record.output_tokens for record in records} == {COUNT}
    if killed == 1:
        assert {record.continuations for record in went_on} == {1}
