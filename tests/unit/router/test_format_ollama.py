"""A provider that speaks Ollama's API: what it is asked, and what becomes of its answers, cut anywhere."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.ollama import OllamaDialects
from roundhouse_router.domain.errors import BadBody, UpstreamFailed
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.formats.ollama import OllamaFormat
from tests.support.cut_streams import CUTS, events_of, translated
from tests.support.hand_clock import HandClock

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D23")]

FORMAT: UpstreamFormat = OllamaFormat(HandClock())
HI = [{"role": "user", "content": "hi"}]
JSON_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def asked(operation: Operation = Operation.CHAT, *, is_stream: bool = False, **body: Any) -> Any:  # Any: JSON
    encoded = json.dumps({"model": "m", **body}).encode()
    return json.loads(FORMAT.request(encoded, "llama3", operation, is_stream=is_stream).body)


def line(text: str = "", *, done: bool = False, **more: Any) -> bytes:  # Any: JSON
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    told = {"model": "llama3", "created_at": "2026-01-01T00:00:00.123456789Z", "message": message, "done": done}
    return json.dumps({**told, **more}).encode() + b"\n"


def chunks(data: bytes, at: list[int] | None = None, operation: Operation = Operation.CHAT) -> list[Any]:  # Any: JSON
    return events_of(translated(FORMAT.stream("m", operation), data, at or []))


LAST = line(done=True, done_reason="stop", prompt_eval_count=5, eval_count=2)


def test_a_chat() -> None:
    body = asked(
        messages=HI,
        max_completion_tokens=9,
        temperature=0.5,
        stop="x",
        repetition_penalty=1.1,
        response_format={"type": "json_object"},
        reasoning_effort="high",
        is_stream=True,
    )
    assert body == {
        "model": "llama3",
        "messages": HI,
        "stream": True,
        "options": {"num_predict": 9, "temperature": 0.5, "stop": ["x"], "repeat_penalty": 1.1},
        "format": "json",
        "think": "high",
    }


@pytest.mark.contract("D12")
@pytest.mark.contract("D13")
def test_images_and_tools() -> None:
    parts = [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "strict": True}}]
    body = asked(messages=messages, tools=tools, tool_choice="auto")
    assert body["messages"] == [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "what?", "images": ["AAAA"]},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "content": "one", "tool_call_id": "c1", "tool_name": "f"},
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert "tools" not in asked(messages=HI, tools=tools, tool_choice="none")


def test_a_schema() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert asked(messages=HI, response_format=wanted)["format"] == {"type": "object"}


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        (Operation.CHAT, {"n": 2}, "n"),
        (Operation.CHAT, {"tools": [{"function": {"name": "f"}}], "tool_choice": "required"}, "tool_choice"),
        (Operation.CHAT, {"response_format": {"type": "grammar"}}, "response_format"),
        (Operation.CHAT, {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        (
            Operation.CHAT,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://h"}}]}]},
            "messages",
        ),
        (Operation.COMPLETION, {"prompt": ["a", "b"]}, "prompt"),
        (Operation.COMPLETION, {"prompt": [1, 2]}, "prompt"),
        (Operation.COMPLETION, {"prompt": "a", "echo": True}, "echo"),
        (Operation.EMBEDDING, {"input": [1, 2]}, "input"),
        (Operation.EMBEDDING, {"input": "a", "encoding_format": "base64"}, "encoding_format"),
    ],
)
def test_what_it_cannot_say_is_refused(operation: Operation, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadBody) as caught:
        asked(operation, **{"messages": HI, **body})
    assert caught.value.param == param


def test_it_has_no_images() -> None:
    with pytest.raises(BadBody):
        asked(Operation.IMAGE, prompt="a cat")


def test_completions() -> None:
    assert asked(Operation.COMPLETION, prompt=["a"], max_tokens=3) == {
        "model": "llama3",
        "prompt": "a",
        "stream": False,
        "options": {"num_predict": 3},
        "raw": True,
    }
    assert "raw" not in asked(Operation.COMPLETION, prompt="a", suffix="b")
    data = b'{"response":"a","done":false}\n{"response":"","done":true,"done_reason":"length","eval_count":1}\n'
    told = chunks(data, operation=Operation.COMPLETION)
    assert [one["choices"][0]["text"] for one in told[:2]] == ["a", ""]
    assert {one["object"] for one in told[:-1]} == {"text_completion"}
    assert told[1]["choices"][0]["finish_reason"] == "length"


def test_embeddings() -> None:
    assert asked(Operation.EMBEDDING, input="a", dimensions=8) == {"model": "llama3", "input": ["a"], "dimensions": 8}
    body = b'{"embeddings":[[0.10,2e-3]],"prompt_eval_count":4}'
    told = FORMAT.whole(200, body, "m", Operation.EMBEDDING)
    assert b"[0.10,2e-3]" in told
    assert json.loads(told)["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


@given(st.lists(st.text(min_size=1, max_size=5)), CUTS)
def test_a_stream_cut_anywhere_says_the_same(words: list[str], at: list[int]) -> None:
    told = chunks(b"".join(map(line, words)) + LAST, at)
    said = [one["choices"][0]["delta"].get("content") or "" for one in told[:-3]]
    assert "".join(said) == "".join(words)
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    assert told[-3]["choices"][0]["finish_reason"] == "stop"
    assert (told[-2]["usage"]["prompt_tokens"], told[-2]["usage"]["completion_tokens"]) == (5, 2)
    assert told[-1] == "[DONE]"


@pytest.mark.contract("D12")
def test_calls_of_tools_get_ids_that_no_other_answer_has() -> None:
    def calls(created: str) -> list[Any]:  # Any: JSON
        message = {"tool_calls": [{"function": {"name": "f", "arguments": {"a": [1]}}}]}
        first = line(message=message, created_at=created) + line(message=message)
        said = [one["choices"][0]["delta"] for one in chunks(first + LAST)[:-2]]
        return [call for one in said for call in one.get("tool_calls", ())]

    here, there = calls("2026-01-01T00:00:00.1Z"), calls("2026-01-01T00:00:00.2Z")
    assert [call["index"] for call in here] == [0, 1]
    assert json.loads(here[0]["function"]["arguments"]) == {"a": [1]}
    assert len({call["id"] for call in here + there}) == 4
    message = {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    told = chunks(line(message=message) + LAST)
    assert told[-3]["choices"][0]["finish_reason"] == "tool_calls"


def test_thinking() -> None:
    told = chunks(line(message={"thinking": "hm"}) + line("so") + LAST)
    assert [one["choices"][0]["delta"].get("reasoning_content") for one in told[:2]] == ["hm", None]


@pytest.mark.parametrize(
    ("fault", "words"),
    [(b'{"error":"out of memory"}\n', "out of memory"), (b"{\n", "could not be read"), (b"", "ended before")],
)
def test_a_stream_that_fails_keeps_what_came_before(fault: bytes, words: str) -> None:
    stream = FORMAT.stream("m", Operation.CHAT)
    assert events_of(stream.feed(line("a") + fault))[-1]["choices"][0]["delta"]["content"] == "a"
    with pytest.raises(UpstreamFailed, match=words):
        stream.finish()


@given(CUTS, st.binary(max_size=60))
def test_no_bytes_bring_anything_but_events_or_a_failure(at: list[int], noise: bytes) -> None:
    try:
        assert chunks(line("a") + noise + b"\n" + LAST, at)
    except UpstreamFailed:
        return


def test_a_whole_answer_and_what_is_none() -> None:
    told = json.loads(FORMAT.whole(200, line("yes", done=True, done_reason="load"), "m", Operation.CHAT))
    assert told["choices"][0]["message"] == {"role": "assistant", "content": "yes"}
    assert "usage" not in told
    for body in (b"", b"[]", b'{"error":"x"}', b'{"done":true}', line("half")):
        with pytest.raises(UpstreamFailed):
            FORMAT.whole(200, body, "m", Operation.CHAT)


def test_errors() -> None:
    told = json.loads(FORMAT.whole(404, b'{"error":"model \\"x\\" not found"}', "m", Operation.CHAT))["error"]
    assert (told["message"], told["code"]) == ('model "x" not found', "model_not_found")
    assert json.loads(FORMAT.whole(500, b"oops", "m", Operation.CHAT))["error"]["type"] == "server_error"


@given(st.lists(st.text(min_size=1, max_size=5)), st.dictionaries(st.text(max_size=3), JSON_DOCUMENTS), CUTS)
def test_there_and_back_nothing_is_lost(words: list[str], arguments: dict[str, Any], at: list[int]) -> None:
    """What our own Ollama API says of OpenAI's stream is read back as OpenAI's stream."""
    call = {"function": {"name": "f", "arguments": arguments}, "id": "c1"}
    data = b"".join(map(line, words)) + line(message={"tool_calls": [call]}) + LAST
    openai = translated(FORMAT.stream("m", Operation.CHAT), data, at)
    dialect = OllamaDialects(HandClock()).find("/api/chat", b"")
    request = dialect.read(b'{"model":"m","messages":[{"role":"user"}]}', "/api/chat")
    back = [json.loads(one) for one in translated(dialect.stream(request), openai, at).splitlines()]
    assert [one["message"]["content"] for one in back] == [*words, "", ""]
    assert back[-2]["message"]["tool_calls"] == [
        {"id": "c1", "function": {"index": 0, "name": "f", "arguments": arguments}}
    ]
    assert (back[-1]["prompt_eval_count"], back[-1]["eval_count"]) == (5, 2)
