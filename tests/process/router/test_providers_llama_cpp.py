"""Providers of OpenAI's and of Anthropic's API, played by the real llama.cpp, which has both by its own hands."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import pytest_asyncio

from roundhouse_common.contracts.routing import ProviderFormat, ProviderRecord, RouteTarget
from roundhouse_common.contracts.usage import Outcome, UsageSource
from roundhouse_node_agent.engines import xllamacpp_runner
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, route
from tests.support.scheduler_stub import SMOLLM2

pytestmark = [pytest.mark.process, pytest.mark.contract("D18"), pytest.mark.contract("D23")]

TEMPLATE = Path(__file__).parents[2] / "fixtures" / "chat_templates" / "hermes_tools.jinja"
HI: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hi."}]
ASKED: Any = {"model": "tiny", "messages": HI, "max_tokens": 8, "temperature": 0}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def question(city: str) -> str:
    return f"What is the weather in {city} in celsius?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine_url() -> AsyncIterator[str]:
    """One llama.cpp for the module, with a chat template that knows tools."""
    port = free_port()
    command = [sys.executable, "-I", xllamacpp_runner.__file__, "--model", str(SMOLLM2), "--alias", "small"]
    options = ["--port", str(port), "--parallel", "2", "--context", "2048", "--chat-template-file", str(TEMPLATE)]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await eventually(lambda: _is_up(session), within_s=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def _is_up(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest_asyncio.fixture(params=[ProviderFormat.OPENAI, ProviderFormat.ANTHROPIC], ids=lambda one: str(one.value))
async def served(
    request: pytest.FixtureRequest, tmp_path: Path, engine_url: str
) -> AsyncIterator[tuple[openai.AsyncOpenAI, Fleet]]:
    provider = ProviderRecord(
        provider_id="prv_1", name="outside", tenant_id="", format=request.param, base_url=f"{engine_url}/v1"
    )
    async with Fleet() as fleet, RunningRouter(tmp_path, fleet) as router:
        await fleet.put_key(api_key())
        await fleet.put_provider(provider)
        await fleet.put_endpoints()
        await fleet.put_route(route(targets=(RouteTarget(provider_id="prv_1", model="small"),)))
        await router.ready()
        async with openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET, max_retries=0) as client:
            await eventually(lambda: _lists(client))
            yield client, fleet


async def _lists(client: openai.AsyncOpenAI) -> bool:
    return bool([model async for model in client.models.list()])


async def test_a_chat_whole_and_streamed_says_the_same(served: tuple[openai.AsyncOpenAI, Fleet]) -> None:
    client, fleet = served
    whole = await client.chat.completions.create(**ASKED)
    stream = await client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    parts = [part async for part in stream]
    text = "".join(choice.delta.content or "" for part in parts for choice in part.choices)
    assert text == whole.choices[0].message.content != ""
    assert {part.model for part in parts} | {whole.model} == {"tiny"}
    reasons = [choice.finish_reason for part in parts for choice in part.choices if choice.finish_reason]
    assert reasons == [whole.choices[0].finish_reason] == ["length"]
    last = parts[-1].usage
    assert last is not None
    assert whole.usage is not None
    assert (last.prompt_tokens, last.completion_tokens) == (whole.usage.prompt_tokens, 8)
    await eventually(lambda: len(fleet.records) == 2)
    for record in fleet.records:
        assert record.input_tokens + record.cached_input_tokens == last.prompt_tokens
        assert (record.output_tokens, record.outcome, record.source) == (
            8,
            Outcome.COMPLETED,
            UsageSource.ENGINE_FINAL,
        )


@pytest.mark.contract("D12")
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tools(served: tuple[openai.AsyncOpenAI, Fleet], is_stream: bool) -> None:
    client, _ = served
    messages: Any = []
    for city in ("Rome", "London"):  # so small a model calls a tool only after examples
        function = {"name": "get_weather", "arguments": f'{{"city": "{city}"}}'}
        call = {"id": city, "type": "function", "function": function}
        messages += [
            {"role": "user", "content": question(city)},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ]
    messages.append({"role": "user", "content": question("Paris")})
    asked: Any = {**ASKED, "messages": messages, "tools": [TOOL], "tool_choice": "required", "max_tokens": 60}
    name, arguments, finish = await (_streamed_call if is_stream else _whole_call)(client, asked)
    assert (name, finish) == ("get_weather", "tool_calls")
    assert '"Paris"' in arguments
    call = {"id": "c3", "type": "function", "function": {"name": name, "arguments": arguments}}
    result = {"role": "tool", "tool_call_id": "c3", "content": "sunny"}
    messages += [{"role": "assistant", "content": None, "tool_calls": [call]}, result]
    again: Any = {**ASKED, "messages": messages, "tools": [TOOL]}
    assert (await client.chat.completions.create(**again)).choices[0].message.content


async def _whole_call(client: openai.AsyncOpenAI, asked: Any) -> tuple[str, str, str | None]:  # Any: JSON
    choice = (await client.chat.completions.create(**asked)).choices[0]
    assert choice.message.tool_calls
    called = choice.message.tool_calls[0]
    assert called.type == "function"
    return called.function.name, called.function.arguments, choice.finish_reason


async def _streamed_call(client: openai.AsyncOpenAI, asked: Any) -> tuple[str, str, str | None]:  # Any: JSON
    name, arguments, finish = "", "", None
    async for part in await client.chat.completions.create(**asked, stream=True):
        for choice in part.choices:
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                name += call.function.name or ""
                arguments += call.function.arguments or ""
            finish = choice.finish_reason or finish
    return name, arguments, finish


async def test_a_prompt_that_is_too_long_is_the_callers_fault(served: tuple[openai.AsyncOpenAI, Fleet]) -> None:
    client, _ = served
    with pytest.raises(openai.BadRequestError, match="context"):
        await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "word " * 5000}])
