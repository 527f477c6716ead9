"""The real `ollama` client against translated answers: a server of one page that translates what a script says."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import ollama
import pytest

from roundhouse_router.dialects.ollama import OllamaDialects
from roundhouse_router.domain.errors import UpstreamFailed
from tests.support.hand_clock import HandClock
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, sse, usage_chunk

pytestmark = pytest.mark.contract("D11")

HI = [{"role": "user", "content": "hi"}]


def translating(pieces: list[bytes], seen: list[Any]) -> Callable[[Exchange], Any]:  # Any: JSON, and a coroutine
    """Answer every request in Ollama's form with OpenAI's pieces, translated."""
    dialects = OllamaDialects(HandClock())

    async def script(exchange: Exchange) -> None:
        dialect = dialects.find(exchange.path, exchange.body)
        request = dialect.read(exchange.body, exchange.path)
        seen.append(json.loads(dialect.to_openai(request)))
        if not request.is_stream:
            await exchange.whole(200, dialect.whole(request, pieces[0]))
            return
        translator = dialect.stream(request)
        await exchange.head(kind=dialect.stream_type.decode())
        try:
            for piece in pieces:
                if out := translator.feed(piece):
                    await exchange.send(out)
            if out := translator.finish():
                await exchange.send(out)
        except UpstreamFailed as fault:
            await exchange.send(dialect.stream_error(fault))
        await exchange.end()

    return script


@contextlib.asynccontextmanager
async def client(*pieces: bytes) -> AsyncIterator[tuple[ollama.AsyncClient, list[Any]]]:
    seen: list[Any] = []
    async with Engine() as engine:
        engine.script = translating(list(pieces), seen)
        yield ollama.AsyncClient(host=engine.base_url), seen


def whole(message: dict[str, Any], finish: str = "stop") -> bytes:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def end(reason: str = "stop", **said: Any) -> bytes:
    return sse({"choices": [{"index": 0, "delta": said, "finish_reason": reason}]})


async def test_a_chat() -> None:
    async with client(whole({"content": "hello", "reasoning_content": "hm"})) as (asks, seen):
        answer = await asks.chat(model="tiny", messages=HI, think=True, options={"num_predict": 5}, keep_alive="1m")
    assert (answer.message.content, answer.message.thinking) == ("hello", "hm")
    assert (answer.done, answer.done_reason, answer.prompt_eval_count, answer.eval_count) == (True, "stop", 3, 2)
    assert seen[0]["max_tokens"] == 5


async def test_a_stream() -> None:
    async with client(chunk("hel"), chunk("lo"), end(), usage_chunk(9, 2), DONE) as (asks, seen):
        parts = [part async for part in await asks.chat(model="tiny", messages=HI, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == "hello"
    assert [part.done for part in parts] == [False, False, True]
    assert (parts[-1].prompt_eval_count, parts[-1].eval_count) == (9, 2)
    assert seen[0]["stream_options"] == {"include_usage": True}


@pytest.mark.contract("D12")
async def test_a_tool_made_of_a_function() -> None:
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
            city: where
        """
        return city

    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    async with client(whole({"content": "", "tool_calls": [call]}, "tool_calls")) as (asks, seen):
        answer = await asks.chat(model="tiny", messages=HI, tools=[weather])
        assert answer.message.tool_calls is not None
        called = answer.message.tool_calls[0].function
        assert (called.name, called.arguments) == ("weather", {"city": "Oslo"})
        result = {"role": "tool", "tool_name": "weather", "content": "cold"}
        await asks.chat(model="tiny", messages=[*HI, answer.message, result])
    assert seen[0]["tools"][0]["function"]["parameters"]["properties"]["city"]["type"] == "string"
    asked = seen[1]["messages"]
    assert asked[2]["tool_call_id"] == asked[1]["tool_calls"][0]["id"]
    assert json.loads(asked[1]["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}


async def test_an_image_and_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    picture = b"\x89PNG\r\n\x1a\n" + bytes(40)
    message = ollama.Message(role="user", content="?", images=[ollama.Image(value=picture)])
    async with client(whole({"content": "{}"})) as (asks, seen):
        await asks.chat(model="tiny", messages=[message], format=schema)
    assert seen[0]["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert seen[0]["response_format"]["json_schema"]["schema"] == schema


async def test_a_prompt() -> None:
    async with client(chunk("a"), end("length"), DONE) as (asks, _):
        parts = [part async for part in await asks.generate(model="tiny", prompt="hi", stream=True)]
    assert [(part.response, part.done_reason) for part in parts] == [("a", None), ("", "length")]


@pytest.mark.parametrize(
    "fault", [b'data: {"error": {"message": "no memory"}}\n\n', b"data: {\n\n", b""], ids=["said", "broken", "cut"]
)
async def test_a_stream_that_fails_raises(fault: bytes) -> None:
    async with client(chunk("a"), fault) as (asks, _):
        parts = await asks.chat(model="tiny", messages=HI, stream=True)
        assert (await anext(parts)).message.content == "a"
        with pytest.raises(ollama.ResponseError):
            await anext(parts)


async def test_embeddings() -> None:
    data = [{"index": 0, "embedding": [0.5, 0.25]}, {"index": 1, "embedding": [1.0, 0.0]}]
    async with client(json.dumps({"data": data, "usage": {"prompt_tokens": 4}}).encode()) as (asks, seen):
        many = await asks.embed(model="tiny", input=["a", "b"])
        one = await asks.embeddings(model="tiny", prompt="a")
    assert (many.embeddings, many.prompt_eval_count) == ([[0.5, 0.25], [1.0, 0.0]], 4)
    assert one.embedding == [0.5, 0.25]
    assert [body["input"] for body in seen] == [["a", "b"], "a"]
