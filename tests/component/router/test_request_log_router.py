"""The request log of a running router: off unless asked for, one line per admitted request, and no secret in it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.routing import RouteCache
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter, route
from tests.support.scripted_engine import DONE, Engine, Exchange, answers, chunk, completion, streams, usage_chunk

CARD = "4111 1111 1111 1111"
MAIL = "ada@example.com"
SAID = f"My key is {SECRET}, my mail {MAIL}, my card {CARD}."


@asynccontextmanager
async def logging_router(tmp_path: Path, fleet: Fleet, engine: Engine, **settings: Any) -> AsyncIterator[RunningRouter]:
    """A router with the log on; leaving it writes everything."""
    async with RunningRouter(tmp_path, fleet, **settings) as running:
        await fleet.serve(engine)
        await running.ready()
        yield running


def text_of(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in sorted((tmp_path / "requests").glob("*.jsonl")))


def lines_of(tmp_path: Path) -> list[dict[str, Any]]:  # Any: JSON
    return [json.loads(line) for line in text_of(tmp_path).splitlines()]


async def test_nothing_is_logged_unless_asked_for(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with logging_router(tmp_path, fleet, engine) as router, router.post() as answer:
        assert answer.status == 200
    assert not (tmp_path / "requests").exists()


@pytest.mark.contract("E05")
async def test_metadata_tells_what_became_of_each_admitted_request_and_no_text(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    engine.script = answers(200, completion(SAID, prompt=7, output=3))
    async with logging_router(tmp_path, fleet, engine, request_log="metadata") as router:
        async with router.post({"messages": [{"role": "user", "content": SAID}]}) as answer:
            request_id = answer.headers["x-request-id"]
            await answer.read()
        async with router.post(secret="rh-" + "w" * 43) as refused:
            assert refused.status == 401
    [line] = lines_of(tmp_path)
    assert (line["request_id"], line["api"], line["route"], line["outcome"]) == (
        request_id,
        "openai.chat",
        "tiny",
        "completed",
    )
    assert (line["input_tokens"], line["output_tokens"], line["http_status"]) == (7, 3, 200)
    assert (line["deployment_id"], line["key_id"], line["error_code"]) == ("dep_1", "key_1", "")
    assert line["duration_ms"] > 0
    assert "My key" not in text_of(tmp_path)


@pytest.mark.contract("E05", "F05")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_bodies_are_logged_without_the_secrets_in_prompt_header_and_answer(
    tmp_path: Path, fleet: Fleet, engine: Engine, is_stream: bool
) -> None:
    pieces = [chunk(SAID[at : at + 3]) for at in range(0, len(SAID), 3)]
    engine.script = streams(*pieces, usage_chunk(7, 3), DONE) if is_stream else answers(200, completion(SAID))
    messages = [{"role": "user", "content": f"Say: {SAID}"}]
    async with logging_router(tmp_path, fleet, engine, request_log="bodies") as router:
        asked = router.post(
            {"messages": messages, "stream": is_stream}, x_request_id="rh-" + "i" * 43, x_note="sk-" + "h" * 30
        )
        async with asked as answer:
            assert answer.status == 200
            await answer.read()
    text = text_of(tmp_path)
    for secret in (SECRET, MAIL, CARD, "i" * 43, "h" * 30, "engine-secret"):
        assert secret not in text
    [line] = lines_of(tmp_path)
    wanted = "My key is [redacted:api_key], my mail [redacted:email], my card [redacted:card]."
    assert line["request"]["messages"] == [{"role": "user", "content": f"Say: {wanted}"}]
    if is_stream:
        assert line["answer"] == {"content": wanted}
    else:
        assert line["answer"]["choices"][0]["message"]["content"] == wanted


@pytest.mark.contract("E05")
async def test_a_secret_in_an_engines_error_is_not_logged(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    said = {"error": {"message": f"bad key {SECRET}", "type": "x", "param": None, "code": None}}
    engine.script = answers(400, said)
    async with logging_router(tmp_path, fleet, engine, request_log="bodies") as router, router.post() as answer:
        assert answer.status == 400
        await answer.read()
    assert SECRET not in text_of(tmp_path)
    [line] = lines_of(tmp_path)
    assert (line["error_code"], line["fault"]) == ("upstream_400", "caller_invalid_request")
    assert line["answer"]["error"]["message"] == "bad key [redacted:api_key]"


async def test_shared_and_kept_answers_are_logged_for_each_of_their_clients(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    go = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        await go.wait()
        await streams(chunk("to "), chunk("all"), usage_chunk(7, 2), DONE)(exchange)

    engine.script = waits
    await fleet.put_route(route("shared", is_coalesced=True, cache=RouteCache(ttl_s=60.0)))
    async with logging_router(tmp_path, fleet, engine, request_log="bodies") as router:

        async def ask() -> None:
            async with router.stream(model="shared", temperature=0) as answer:
                assert answer.status == 200
                await answer.read()

        asking = [asyncio.create_task(ask()) for _ in range(2)]
        await eventually(lambda: router.metric("roundhouse_router_in_flight") == 2)
        go.set()
        await asyncio.gather(*asking)
        await ask()
    lines = lines_of(tmp_path)
    assert sorted(line["reuse"] for line in lines) == ["cached", "coalesced", "none"]
    assert [line["answer"] for line in lines] == [{"content": "to all"}] * 3
    assert len(engine.exchanges) == 1


async def test_an_error_of_the_router_is_logged_with_its_words(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def hangs_up(exchange: Exchange) -> None:
        exchange.hang_up()

    engine.script = hangs_up
    async with logging_router(tmp_path, fleet, engine, request_log="bodies") as router, router.post() as answer:
        assert answer.status in (502, 503)
        told = (await answer.json())["error"]["message"]
    [line] = lines_of(tmp_path)
    assert (line["error"], line["outcome"]) == (told, "failed")


async def test_a_client_that_leaves_is_logged(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async def speaks_and_waits(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.send(chunk("one"))
        await exchange.silence()

    engine.script = speaks_and_waits
    async with logging_router(tmp_path, fleet, engine, request_log="bodies") as router:
        async with router.stream() as answer:
            await answer.content.readline()
            answer.close()
        assert (await fleet.one_record()).outcome is Outcome.ABORTED
    [line] = lines_of(tmp_path)
    assert (line["outcome"], line["answer"], line["fault"]) == ("aborted", {"content": "one"}, "caller_left")


async def test_lines_are_there_soon_and_own_patterns_count(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    patterns = tmp_path / "patterns"
    patterns.write_text("staff_number E-\\d{6}\n")
    settings = {"request_log": "bodies", "request_log_patterns_file": patterns}
    async with logging_router(tmp_path, fleet, engine, **settings) as router:
        bodies = [{"messages": [{"role": "user", "content": f"{n} E-123456"}]} for n in range(20)]

        async def ask(body: dict[str, Any]) -> None:  # Any: JSON
            async with router.post(body) as answer:
                await answer.read()

        await asyncio.gather(*(ask(body) for body in bodies))
        await eventually(lambda: router.metric("roundhouse_router_request_log_lines_total") == 20)
        assert len(lines_of(tmp_path)) == 20
    said = {line["request"]["messages"][0]["content"] for line in lines_of(tmp_path)}
    assert said == {f"{n} [redacted:staff_number]" for n in range(20)}
