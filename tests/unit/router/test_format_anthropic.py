"""A provider that speaks Anthropic's Messages: what it is asked, and what becomes of its answers, cut anywhere."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import BadBody, UpstreamFailed
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.domain.tokens import Usage, from_usage
from roundhouse_router.formats.anthropic import AnthropicFormat
from tests.support.cut_streams import CUTS, events_of, translated
from tests.support.hand_clock import HandClock

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D23")]

FORMAT: UpstreamFormat = AnthropicFormat(HandClock())
HI = [{"role": "user", "content": "hi"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1.0}'}}


def asked(*, is_stream: bool = False, **body: Any) -> Any:  # Any: JSON
    encoded = json.dumps({"model": "m", **body}).encode()
    request = FORMAT.request(encoded, "claude-x", Operation.CHAT, is_stream=is_stream)
    assert (request.path, request.headers) == ("/messages", {"anthropic-version": "2023-06-01"})
    return json.loads(request.body)


def refused(**body: Any) -> str | None:  # Any: JSON
    with pytest.raises(BadBody) as caught:
        asked(**body)
    return caught.value.param


def event(kind: str, **body: Any) -> bytes:  # Any: JSON
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode()


def begun(**usage: int) -> bytes:
    told = {"input_tokens": 5, "output_tokens": 1, **usage}
    return event("message_start", message={"id": "msg_1", "type": "message", "content": [], "usage": told})


def block(index: int, kind: str, **more: Any) -> bytes:  # Any: JSON
    return event("content_block_start", index=index, content_block={"type": kind, **more})


def delta(index: int, kind: str, **more: Any) -> bytes:  # Any: JSON
    return event("content_block_delta", index=index, delta={"type": kind, **more})


def ended(reason: str = "end_turn", output: int = 7) -> bytes:
    told = event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": output})
    return told + event("message_stop")


def chunks(data: bytes, at: list[int] | None = None) -> list[Any]:  # Any: JSON
    return events_of(translated(FORMAT.stream("m", Operation.CHAT), data, at or []))


def deltas(data: bytes, at: list[int] | None = None) -> list[Any]:  # Any: JSON
    return [one["choices"][0]["delta"] for one in chunks(data, at) if one != "[DONE]" and one["choices"]]


def test_the_key_has_a_header_of_its_own() -> None:
    assert FORMAT.authorization("sk") == {"x-api-key": "sk"}


def test_instructions_go_apart_and_a_limit_is_set() -> None:
    messages = [{"role": "system", "content": "a"}, *HI, {"role": "developer", "content": "b"}]
    assert asked(messages=messages) == {
        "model": "claude-x",
        "max_tokens": 4096,
        "system": "a\n\nb",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_sampling() -> None:
    body = asked(
        messages=HI,
        is_stream=True,
        max_completion_tokens=9,
        temperature=1.7,
        top_p=0.5,
        stop=["x", " "],
        user="u",
        seed=1,
        frequency_penalty=0.1,
    )
    del body["messages"], body["model"]
    assert body == {
        "max_tokens": 9,
        "temperature": 1.0,
        "top_p": 0.5,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "stream": True,
    }


@pytest.mark.contract("D12")
def test_calls_and_results_of_tools() -> None:
    messages = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "user", "content": "and?"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "description": "d"}}]
    body = asked(messages=messages, tools=tools, tool_choice="required", parallel_tool_calls=False)
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1.0}},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {"a": 1.0}},
    ]
    assert body["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "one"}]},
            {"type": "tool_result", "tool_use_id": "c2"},
            {"type": "text", "text": "and?"},
        ],
    }
    assert body["tools"] == [
        {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    named = {"type": "function", "function": {"name": "f"}}
    assert asked(messages=HI, tools=tools, tool_choice=named)["tool_choice"] == {"type": "tool", "name": "f"}


@pytest.mark.contract("D13")
def test_images_and_cache_marks() -> None:
    parts = [
        {"type": "text", "text": "what?", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://host/a.png"}},
        {"type": "text", "text": ""},
    ]
    (turn,) = asked(messages=[{"role": "user", "content": parts}])["messages"]
    assert turn["content"] == [
        {"type": "text", "text": "what?", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}},
    ]
    system = [{"role": "system", "content": [parts[0]]}, *HI]
    assert asked(messages=system)["system"] == [parts[0]]


def test_an_answer_to_be_continued_ends_without_blanks() -> None:
    messages = [*HI, {"role": "assistant", "content": "so \n"}]
    assert asked(messages=messages)["messages"][1]["content"] == [{"type": "text", "text": "so"}]
    assert len(asked(messages=[*HI, {"role": "assistant", "content": " \n"}])["messages"]) == 1


def test_thinking_and_schemas() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = asked(messages=HI, reasoning_effort="minimal", temperature=0.5, response_format=wanted)
    assert (body["thinking"], body["max_tokens"], "temperature" in body) == ({"type": "adaptive"}, 16384, False)
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    off = asked(messages=HI, chat_template_kwargs={"enable_thinking": False}, temperature=0.5)
    assert (off["thinking"], off["temperature"]) == ({"type": "disabled"}, 0.5)
    own = {"type": "enabled", "budget_tokens": 2000}
    assert asked(messages=HI, thinking=own)["thinking"] == own


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"functions": []}, "functions"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
    ],
)
def test_what_it_cannot_say_is_refused(body: dict[str, Any], param: str) -> None:
    assert refused(**{"messages": HI, **body}) == param


@pytest.mark.parametrize("operation", [Operation.EMBEDDING, Operation.COMPLETION])
def test_it_has_chats_only(operation: Operation) -> None:
    with pytest.raises(BadBody):
        FORMAT.request(b"{}", "m", operation, is_stream=False)


@given(st.lists(st.text(min_size=1, max_size=5)), CUTS)
def test_a_stream_cut_anywhere_says_the_same(words: list[str], at: list[int]) -> None:
    data = begun() + event("ping") + block(0, "text", text="")
    data += b"".join(delta(0, "text_delta", text=word) for word in words)
    data += event("content_block_stop", index=0) + event("from_the_future") + ended()
    told = chunks(data, at)
    said = [one["choices"][0]["delta"].get("content") for one in told[:-3]]
    assert "".join(said) == "".join(words)
    assert told[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert told[-3]["choices"][0]["finish_reason"] == "stop"
    assert told[-2]["choices"] == []
    assert told[-2]["usage"]["completion_tokens"] == 7
    assert told[-1] == "[DONE]"
    assert {(one["id"], one["model"]) for one in told[:-1]} == {("msg_1", "m")}


@pytest.mark.contract("D12")
def test_thoughts_and_calls_of_tools_in_a_stream() -> None:
    data = begun() + block(0, "thinking", thinking="") + delta(0, "thinking_delta", thinking="hm")
    data += delta(0, "signature_delta", signature="xx")
    data += block(1, "tool_use", id="t1", name="f", input={}) + delta(1, "input_json_delta", partial_json="")
    data += delta(1, "input_json_delta", partial_json='{"a"') + delta(1, "input_json_delta", partial_json=": 1}")
    data += event("content_block_stop", index=1) + block(2, "tool_use", id="t2", name="g", input={})
    data += event("content_block_stop", index=2) + ended("tool_use")
    said = deltas(data)
    assert said[1] == {"reasoning_content": "hm"}
    calls = [call for one in said for call in one.get("tool_calls", ())]
    heads = [(call["index"], call["id"], call["function"]["name"]) for call in calls if "id" in call]
    assert heads == [(0, "t1", "f"), (1, "t2", "g")]
    arguments = ["".join(call["function"]["arguments"] for call in calls if call["index"] == n) for n in (0, 1)]
    assert arguments == ['{"a": 1}', "{}"]
    assert chunks(data)[-3]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.contract("F01")
def test_the_figures_include_what_was_cached_as_openais_do() -> None:
    told = chunks(begun(cache_read_input_tokens=100, cache_creation_input_tokens=20) + ended(output=9))[-2]["usage"]
    assert told == {
        "prompt_tokens": 125,
        "completion_tokens": 9,
        "total_tokens": 134,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
    }
    counts = from_usage(msgspec.convert(told, Usage))
    assert (counts.input_tokens, counts.cached_input_tokens, counts.cache_write_tokens) == (5, 100, 20)


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        (event("error", error={"type": "overloaded_error", "message": "Overloaded"}), "Overloaded", "overloaded"),
        (b"data: {\n\n", "could not be read", "upstream_error"),
        (b"data: []\n\n", "could not be read", "upstream_error"),
        (b"", "ended before", "upstream_error"),
    ],
)
def test_a_stream_that_fails_keeps_what_came_before(fault: bytes, words: str, code: str) -> None:
    stream = FORMAT.stream("m", Operation.CHAT)
    told = events_of(stream.feed(begun() + delta(0, "text_delta", text="a") + fault + ended() * bool(fault)))
    assert told[-1]["choices"][0]["delta"] == {"content": "a"}
    with pytest.raises(UpstreamFailed, match=words) as caught:
        stream.finish()
    assert caught.value.error_code == code


@given(CUTS, st.binary(max_size=60))
def test_no_bytes_bring_anything_but_events_or_a_failure(at: list[int], noise: bytes) -> None:
    try:
        assert chunks(begun() + noise + ended(), at)
    except UpstreamFailed:
        return


def test_a_whole_answer() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "text", "text": "so: "},
        {"type": "text", "text": "yes"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1.50}},
    ]
    usage = {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"thinking_tokens": 2}}
    body = {"id": "msg_1", "type": "message", "content": content, "stop_reason": "max_tokens", "usage": usage}
    told = json.loads(FORMAT.whole(200, json.dumps(body).encode(), "m", Operation.CHAT))
    assert told["choices"][0]["message"] == {
        "role": "assistant",
        "content": "so: yes",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1.5}'}}],
    }
    assert (told["model"], told["choices"][0]["finish_reason"], told["created"]) == ("m", "length", 1_800_001_000)
    assert told["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type":"completion"}', b'{"type":"message","content":1}'])
def test_a_whole_answer_that_is_none_fails(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        FORMAT.whole(200, body, "m", Operation.CHAT)


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        ("invalid_request_error", "max_tokens: wrong", ("invalid_request_error", None)),
        (
            "invalid_request_error",
            "prompt is too long: 9 tokens > 5 maximum",
            ("invalid_request_error", "context_length_exceeded"),
        ),
        (
            "invalid_request_error",
            "Output blocked by content filtering policy",
            ("invalid_request_error", "content_policy_violation"),
        ),
        ("rate_limit_error", "slow down", ("rate_limit_error", "rate_limit_exceeded")),
        ("overloaded_error", "Overloaded", ("server_error", "overloaded")),
        ("billing_error", "no money", ("insufficient_quota", "insufficient_quota")),
    ],
)
def test_errors_get_openais_names(kind: str, message: str, told: tuple[str, str | None]) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    error = json.loads(FORMAT.whole(400, body, "m", Operation.CHAT))["error"]
    assert (error["message"], (error["type"], error["code"])) == (message, told)


def test_an_error_without_words_is_one_too() -> None:
    assert json.loads(FORMAT.whole(502, b"<html>", "m", Operation.CHAT))["error"]["type"] == "server_error"
    assert (FORMAT.status(529), FORMAT.status(429)) == (503, 429)
