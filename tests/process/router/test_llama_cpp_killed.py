"""kill -9 of a real llama.cpp while clients stream from it and others wait for its slots."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.llama_cpp import LlamaCpp, llama_cpp
from tests.support.router_process import RouterProcess
from tests.support.running_router import route
from tests.support.spooled import spooled

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

STREAMS = 8
TOKENS = 80
BODY = {
    "model": "tiny",
    "stream": True,
    "messages": [{"role": "user", "content": "Tell me about trains."}],
    "max_tokens": TOKENS,
    "temperature": 0,
    "ignore_eos": True,
}


@dataclass
class Seen:
    """What one client saw."""

    text: str = ""
    errors: list[str] = field(default_factory=list)
    is_done: bool = False


async def stream(router: RouterProcess, seen: Seen) -> None:
    async with router.session.post("/v1/chat/completions", json=BODY) as answer:
        assert answer.status == 200
        async for line in answer.content:
            if line == b"data: [DONE]\n":
                seen.is_done = True
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                if "error" in event:
                    seen.errors.append(event["error"]["code"])
                else:
                    seen.text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])


async def is_early(engine: LlamaCpp) -> bool:
    """Whether its slot has told some tokens of a stream and has most of them before it."""
    [slot] = await engine.slots()
    return bool(slot["is_processing"]) and 4 <= slot["next_token"][0]["n_decoded"] < TOKENS // 4


@pytest.mark.contract("D19")
@pytest.mark.parametrize("is_continued", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_only_streams_that_have_begun_notice_and_only_where_the_route_lets_them(
    tmp_path: Path, is_continued: bool
) -> None:
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(llama_cpp(parallel=1)) for _ in range(2)]
        router = await stack.enter_async_context(
            RouterProcess(
                tmp_path,
                *(engine.endpoint(n) for n, engine in enumerate(engines)),
                routes=[route(is_continued=is_continued)],
            )
        )
        undisturbed = Seen()
        await stream(router, undisturbed)
        seen = [Seen() for _ in range(STREAMS)]
        asking = asyncio.gather(*(stream(router, one) for one in seen))
        # One slot each: at either engine one stream has begun, and the others wait. It stands still before it is
        # killed, since a stream takes less than a second.
        await eventually(lambda: is_early(engines[0]), within_s=60)
        engines[0].pause()
        await eventually(lambda: sum(bool(one.text) and not one.is_done for one in seen) == 2, within_s=60)
        engines[0].kill()
        await asking
    records = await spooled(tmp_path)
    assert len({record.request_id for record in records}) == len(records) == STREAMS + 1
    failed = [record for record in records if record.outcome is Outcome.FAILED]
    broken = [one for one in seen if not one.is_done]
    assert len(failed) == len(broken) == (0 if is_continued else 1)
    assert all(one.errors == ["upstream_error"] and undisturbed.text.startswith(one.text) for one in broken)
    assert [one.text for one in seen if one.is_done and one.text != undisturbed.text][is_continued:] == []
    assert sum(record.continuations for record in records) == is_continued
    assert {record.output_tokens for record in records if record.outcome is Outcome.COMPLETED} <= {TOKENS, TOKENS + 1}
    assert sum(record.attempts > 1 for record in records) >= 2, "those that waited went to the other engine"
