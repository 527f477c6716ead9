"""Translated responses in the hands of OpenAI's own client."""

import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from roundhouse_router.dialects.responses import RESPONSES
from tests.support.chat_streams import calls, captured, finished, part

pytestmark = pytest.mark.contract("D11")


class Person(BaseModel):
    name: str
    age: int


def client(answer: bytes) -> openai.OpenAI:
    """Return a client of a router whose engine gives this answer of OpenAI's chat."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked = RESPONSES.read(request.read(), request.url.path)
        sent = json.loads(RESPONSES.to_openai(asked))
        assert sent["messages"]
        if not asked.is_stream:
            kind = {"content-type": "application/json"}
            return httpx2.Response(200, headers=kind, content=RESPONSES.whole(asked, answer))
        translator = RESPONSES.stream(asked)
        body = translator.feed(answer) + translator.finish()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    transport = httpx2.Client(transport=httpx2.MockTransport(handle))
    return openai.OpenAI(api_key="rh-x", base_url="http://router/v1", http_client=transport, max_retries=0)


def test_a_response_of_a_real_engine() -> None:
    told = client(captured("chat_whole.json")).responses.create(model="m", input="hi", metadata={"a": "b"})
    assert told.output_text.startswith("Hello")
    assert (told.model, told.status, told.object, told.metadata) == ("m", "incomplete", "response", {"a": "b"})
    assert told.incomplete_details is not None
    assert told.incomplete_details.reason == "max_output_tokens"
    assert told.usage is not None
    assert (told.usage.input_tokens, told.usage.output_tokens, told.usage.total_tokens) == (12, 8, 20)


@pytest.mark.contract("D12")
def test_a_tool_call_of_a_real_engine() -> None:
    tool: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}
    told = client(captured("tool_whole.json")).responses.create(model="m", input="hi", tools=[tool])
    (item,) = told.output
    assert item.type == "function_call"
    assert item.name == "get_weather"
    assert json.loads(item.arguments) == {"city": "Paris", "unit": "celsius"}
    assert told.status == "completed"
    result: Any = {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
    turns: Any = [{"role": "user", "content": "hi"}, *told.output, result]
    assert client(captured("chat_whole.json")).responses.create(model="m", input=turns, tools=[tool]).output_text


def test_structured_output_of_a_real_engine_is_parsed() -> None:
    with client(captured("json_stream.sse")).responses.stream(model="m", input="hi", text_format=Person) as stream:
        told = stream.until_done().get_final_response()
    assert told.output_parsed is not None
    assert told.output_parsed.name


@pytest.mark.contract("D12", "D13")
def test_thoughts_text_and_tools_in_one_stream() -> None:
    answer = (
        part(reasoning_content="let me ") + part(reasoning_content="think") + part(content="Hm") + part(content=".")
        + calls((0, "a", "f", '{"x":')) + calls((0, None, None, "1}")) + calls((1, "b", "g", "{}"))
        + finished("tool_calls", 9, 4)
    )  # fmt: skip
    with client(answer).responses.stream(model="m", input="hi") as stream:
        seen = list(stream)
        told = stream.get_final_response()
    thought, message, first, second = told.output
    assert thought.type == "reasoning"
    assert thought.content is not None
    assert thought.content[0].text == "let me think"
    assert message.type == "message"
    assert told.output_text == "Hm."
    assert first.type == second.type == "function_call"
    assert (first.call_id, first.name, first.arguments) == ("a", "f", '{"x":1}')
    snapshots = [event.snapshot for event in seen if event.type == "response.output_text.delta"]
    assert snapshots == ["Hm", "Hm."]
    arguments = [event.snapshot for event in seen if event.type == "response.function_call_arguments.delta"]
    assert arguments == ['{"x":', '{"x":1}', "{}"]
    assert told.usage is not None
    assert told.usage.total_tokens == 13


def test_a_stream_of_a_real_engine_event_by_event() -> None:
    seen = list(client(captured("chat_stream.sse")).responses.create(model="m", input="hi", stream=True))
    assert seen[0].type == "response.created"
    last = seen[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == "".join(one.delta for one in seen if one.type == "response.output_text.delta")


def test_a_stream_that_fails_says_so() -> None:
    answer = part(content="x") + b'data: {"error":{"message":"slot lost"}}\n\n'
    *_, last = client(answer).responses.create(model="m", input="hi", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "slot lost"
