"""OpenAI's whole answers as Anthropic's messages."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.dialects.responses import RESPONSES
from roundhouse_router.domain.errors import UpstreamFailed
from tests.support.chat_streams import captured, events, finished, part, run

pytestmark = pytest.mark.contract("D11", "D12")


def answered(message: Any, finish: str = "stop", turns: Any = None, **members: Any) -> Any:  # Any: JSON
    body = {"model": "asked", "max_tokens": 9, "messages": turns or [{"role": "user", "content": "hi"}]}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    answer = {"id": "chatcmpl-1", "model": "served", "choices": [choice], **members}
    request = ANTHROPIC.read(json.dumps(body).encode(), "/v1/messages")
    return json.loads(ANTHROPIC.whole(request, json.dumps(answer).encode()))


def call(name: str, arguments: Any, call_id: str | None = None) -> Any:  # Any: JSON
    return {"type": "function", "id": call_id, "function": {"name": name, "arguments": arguments}}


def test_thoughts_text_and_calls() -> None:
    told = answered(
        {"reasoning": "hm", "content": "so", "tool_calls": [call("f", '{"a": 1}', "c1"), call("g", "")]},
        "tool_calls",
        usage={"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}},
    )
    assert told["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "unsigned"},
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_1_1", "name": "g", "input": {}},
    ]
    assert (told["id"], told["model"], told["stop_reason"]) == ("msg_1", "asked", "tool_use")
    assert (told["usage"]["input_tokens"], told["usage"]["cache_read_input_tokens"]) == (3, 2)


def test_arguments_that_an_engine_sends_as_an_object_are_understood() -> None:
    told = answered({"tool_calls": [call("f", {"city": "Paris"})]}, "tool_calls")
    assert told["content"][0]["input"] == {"city": "Paris"}
    chunk = part(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"city": "Paris"}}}])
    request = ANTHROPIC.read(b'{"model":"m","max_tokens":1,"messages":[]}', "/v1/messages")
    found = events(run(ANTHROPIC.stream(request), chunk + finished("tool_calls")))
    assert found[3]["delta"] == {"type": "input_json_delta", "partial_json": '{"city":"Paris"}'}


@pytest.mark.parametrize("arguments", ['{"city": "Par', "[1]", "[" * 5000])
def test_arguments_that_are_no_object_are_handed_on_as_text(arguments: str) -> None:
    told = answered({"tool_calls": [call("f", arguments)]}, "length")
    assert told["content"][0]["input"] == {"INVALID_JSON": arguments}
    assert told["stop_reason"] == "max_tokens"


def test_a_refusal_is_text() -> None:
    told = answered({"content": None, "refusal": "I will not"}, "content_filter")
    assert (told["content"], told["stop_reason"]) == ([{"type": "text", "text": "I will not"}], "refusal")


def test_a_beginning_that_llama_cpp_repeats_is_taken_off() -> None:
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": [{"type": "text", "text": "It is"}]}]
    assert answered({"content": "It is blue."}, turns=turns)["content"][0]["text"] == " blue."
    assert answered({"content": " red."}, turns=turns)["content"][0]["text"] == " red."


def test_an_answer_without_an_id_gets_one_of_its_own() -> None:
    request = ANTHROPIC.read(b'{"model":"m","max_tokens":1,"messages":[]}', "/v1/messages")
    told = [
        json.loads(ANTHROPIC.whole(request, b'{"choices":[{"message":{"content":"%b"}}]}' % word))
        for word in (b"a", b"b")
    ]
    assert told[0]["id"] != told[1]["id"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{"tool_calls":[{"id":"a"}]}}]}', b"[" * 100_000],
)
def test_what_is_no_answer_is_a_failure_of_the_engine(body: bytes) -> None:
    request = ANTHROPIC.read(b'{"model":"m","max_tokens":1,"messages":[]}', "/v1/messages")
    with pytest.raises(UpstreamFailed):
        ANTHROPIC.whole(request, body)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, b'{"error":{"message":"too long","type":"x"}}', "invalid_request_error", "too long"),
        (500, b'{"error":"boom"}', "api_error", "boom"),
        (429, b"slow down", "rate_limit_error", "slow down"),
        (529, b"{}", "overloaded_error", "{}"),
    ],
)
def test_an_engines_own_refusal_is_told_in_its_words(status: int, body: bytes, kind: str, message: str) -> None:
    told = json.loads(ANTHROPIC.refusal(status, body))
    assert told == {"type": "error", "error": {"type": kind, "message": message}}


def test_a_real_answer_keeps_its_text() -> None:
    request = ANTHROPIC.read(b'{"model":"m","max_tokens":1,"messages":[]}', "/v1/messages")
    body = captured("chat_whole.json")
    told = json.loads(ANTHROPIC.whole(request, body))
    assert told["content"][0]["text"] == json.loads(body)["choices"][0]["message"]["content"]


_names = st.sampled_from(["message", "content", "tool_calls", "function", "name", "arguments", "id", "index", "usage"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(_names, _json, max_size=4))
def test_no_document_of_an_engine_raises_anything_else(choice: Any) -> None:  # Any: JSON
    request = ANTHROPIC.read(b'{"model":"m","max_tokens":1,"messages":[]}', "/v1/messages")
    other = RESPONSES.read(b'{"model":"m","input":"x"}', "/v1/responses")
    whole = json.dumps({"choices": [choice]}).encode()
    chunk = json.dumps({"choices": [{"delta": choice}]}).encode()
    with contextlib.suppress(UpstreamFailed):
        assert json.loads(ANTHROPIC.whole(request, whole))["type"] == "message"
    with contextlib.suppress(UpstreamFailed):
        assert json.loads(RESPONSES.whole(other, whole))["object"] == "response"
    assert run(ANTHROPIC.stream(request), b"data: " + chunk + b"\n\n")
    assert run(RESPONSES.stream(other), b"data: " + chunk + b"\n\n")
