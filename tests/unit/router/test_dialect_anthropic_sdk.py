"""Translated answers in the hands of Anthropic's own client."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.domain.errors import BadBody, BodyTooLarge, InvalidKey, ModelNotFound, NoReadyReplica
from tests.support.chat_streams import calls, captured, finished, part

pytestmark = pytest.mark.contract("D11")

HI: Any = [{"role": "user", "content": "hi"}]
TOOLS: Any = [{"name": "get_weather", "input_schema": {"type": "object"}}]
Made = Callable[[bytes], anthropic.Anthropic]


class Pieces(httpx2.SyncByteStream):
    """A body in pieces of 7 bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        return (self._data[place : place + 7] for place in range(0, len(self._data), 7))


def client(answer: bytes) -> anthropic.Anthropic:
    """Return a client of a router whose engine gives this answer of OpenAI's chat."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked = ANTHROPIC.read(request.read(), request.url.path)
        sent = json.loads(ANTHROPIC.to_openai(asked))
        assert sent["messages"]
        if not asked.is_stream:
            return httpx2.Response(200, content=ANTHROPIC.whole(asked, answer))
        translator = ANTHROPIC.stream(asked)
        body = translator.feed(answer) + translator.finish()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(body))

    transport = httpx2.Client(transport=httpx2.MockTransport(handle))
    return anthropic.Anthropic(api_key="rh-x", http_client=transport, max_retries=0)


def test_a_message_of_a_real_engine() -> None:
    told = client(captured("chat_whole.json")).messages.create(model="m", max_tokens=8, messages=HI)
    (block,) = told.content
    assert block.type == "text"
    assert block.text.startswith("Hello")
    assert (told.model, told.role, told.stop_reason, told.type) == ("m", "assistant", "max_tokens", "message")
    assert told.usage.input_tokens + (told.usage.cache_read_input_tokens or 0) == 12
    assert told.usage.output_tokens == 8
    assert told.id.startswith("msg_")


@pytest.mark.contract("D12")
def test_a_tool_call_of_a_real_engine() -> None:
    told = client(captured("tool_whole.json")).messages.create(model="m", max_tokens=8, messages=HI, tools=TOOLS)
    (block,) = told.content
    assert block.type == "tool_use"
    assert (block.name, block.input) == ("get_weather", {"city": "Paris", "unit": "celsius"})
    assert told.stop_reason == "tool_use"


def test_a_stream_of_a_real_engine() -> None:
    with client(captured("chat_stream.sse")).messages.stream(model="m", max_tokens=8, messages=HI) as stream:
        texts = list(stream.text_stream)
        told = stream.get_final_message()
    assert len(texts) > 1
    assert told.content[0].type == "text"
    assert told.content[0].text == "".join(texts)
    assert told.stop_reason == "max_tokens"
    assert told.usage.input_tokens + (told.usage.cache_read_input_tokens or 0) == 12
    assert told.usage.output_tokens == 8


@pytest.mark.contract("D12")
def test_a_streamed_tool_call_of_a_real_engine() -> None:
    asked: Any = {"model": "m", "max_tokens": 8, "messages": HI, "tools": TOOLS}
    with client(captured("tool_stream.sse")).messages.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        told = stream.get_final_message()
    (block,) = told.content
    assert block.type == "tool_use"
    assert block.input == {"city": "Paris", "unit": "celsius"}
    assert told.stop_reason == "tool_use"
    assert kinds.count("input_json") > 1


def test_json_of_a_real_engine() -> None:
    with client(captured("json_stream.sse")).messages.stream(model="m", max_tokens=8, messages=HI) as stream:
        assert json.loads(stream.get_final_text())["name"]


@pytest.mark.contract("D12", "D13")
def test_thoughts_text_and_tools_in_one_stream() -> None:
    answer = (
        part(reasoning_content="let me ") + part(reasoning_content="think") + part(content="Hm.")
        + calls((0, "a", "f", '{"x":')) + calls((0, None, None, "1}")) + calls((1, "b", "g", ""))
        + finished("tool_calls", 9, 4)
    )  # fmt: skip
    with client(answer).messages.stream(model="m", max_tokens=8, messages=HI) as stream:
        told = stream.get_final_message()
    thought, text, first, second = told.content
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == ("let me think", "unsigned")
    assert text.type == "text"
    assert text.text == "Hm."
    assert first.type == second.type == "tool_use"
    assert (first.id, first.name, first.input) == ("a", "f", {"x": 1})
    assert (second.id, second.name, second.input) == ("b", "g", {})
    assert (told.usage.input_tokens, told.usage.output_tokens) == (9, 4)


def test_what_was_answered_can_be_sent_back() -> None:
    asked = client(captured("tool_whole.json"))
    told = asked.messages.create(model="m", max_tokens=8, messages=HI, tools=TOOLS)
    result: Any = {"type": "tool_result", "tool_use_id": told.content[0].id, "content": "rain"}  # type: ignore[union-attr]
    turns: Any = [*HI, {"role": "assistant", "content": told.content}, {"role": "user", "content": [result]}]
    assert asked.messages.create(model="m", max_tokens=8, messages=turns, tools=TOOLS).content


def test_a_stream_that_fails_raises() -> None:
    answer = part(content="x") + b'data: {"error":{"message":"slot lost"}}\n\n'
    with (
        pytest.raises(anthropic.APIStatusError, match="slot lost"),
        client(answer).messages.stream(model="m", max_tokens=8, messages=HI) as stream,
    ):
        stream.get_final_message()


@pytest.mark.parametrize(
    ("error", "wanted", "kind"),
    [
        (BadBody("no"), anthropic.BadRequestError, "invalid_request_error"),
        (InvalidKey("no"), anthropic.AuthenticationError, "authentication_error"),
        (ModelNotFound("x"), anthropic.NotFoundError, "not_found_error"),
        (BodyTooLarge("no"), anthropic.RequestTooLargeError, "request_too_large"),
        (NoReadyReplica("no"), anthropic.ServiceUnavailableError, "overloaded_error"),
    ],
)
def test_refusals_are_the_exceptions_that_callers_expect(error: Any, wanted: type[Exception], kind: str) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        body = ANTHROPIC.error(error, "req-1")
        return httpx2.Response(error.status, headers={"request-id": "req-1"}, content=body)

    transport = httpx2.Client(transport=httpx2.MockTransport(handle))
    asked = anthropic.Anthropic(api_key="rh-x", http_client=transport, max_retries=0)
    with pytest.raises(wanted) as raised:
        asked.messages.create(model="m", max_tokens=8, messages=HI)
    assert isinstance(raised.value, anthropic.APIStatusError)
    assert raised.value.request_id == "req-1"
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["request_id"] == "req-1"
    assert raised.value.body["error"] == {"type": kind, "message": error.message}
