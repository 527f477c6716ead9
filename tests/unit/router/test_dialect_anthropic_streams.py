"""OpenAI's chat streams as Anthropic's events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.anthropic_stream import AnthropicStream
from roundhouse_router.domain.errors import UpstreamTimeout
from tests.support.chat_streams import calls, captured, chat_streams, cuts, events, finished, part, run
from tests.support.scripted_engine import DONE, sse, usage_chunk

pytestmark = pytest.mark.contract("D11")


def told(*chunks: bytes) -> list[Any]:  # Any: JSON documents
    return events(run(AnthropicStream("asked"), b"".join(chunks)))


def kinds(found: list[Any]) -> list[str]:  # Any: JSON documents
    return [event["type"] for event in found]


def test_a_text() -> None:
    found = told(part(role="assistant", content=None), part(content="hel"), part(content="lo"), finished("stop", 9, 4))
    usage = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    message: dict[str, Any] = {
        "id": "msg_c1",
        "type": "message",
        "role": "assistant",
        "model": "asked",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    assert found == [
        {"type": "message_start", "message": message},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**usage, "input_tokens": 9, "output_tokens": 4},
        },
        {"type": "message_stop"},
    ]


@pytest.mark.contract("D12")
def test_thoughts_text_and_two_tools_are_blocks_one_after_the_other() -> None:
    found = told(
        part(reasoning_content="hm"),
        part(content="let me"),
        calls((0, "a", "weather", "")),
        calls((0, None, None, '{"city":')),
        calls((0, None, None, '"Rome"}'), (1, "b", "time", "{}")),
        finished("tool_calls"),
    )
    assert kinds(found) == [
        "message_start",
        "ping",
        *["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
        *["content_block_start", "content_block_delta", "content_block_stop"],
        *["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
        *["content_block_start", "content_block_delta", "content_block_stop"],
        "message_delta",
        "message_stop",
    ]
    assert [event["index"] for event in found if event["type"] == "content_block_stop"] == [0, 1, 2, 3]
    assert found[4]["delta"] == {"type": "signature_delta", "signature": "unsigned"}
    assert found[9]["content_block"] == {"type": "tool_use", "id": "a", "name": "weather", "input": {}}
    assert found[10]["delta"] == {"type": "input_json_delta", "partial_json": '{"city":'}
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal"), ("eos_token", "end_turn")],
)
def test_why_an_answer_ended(reason: str, wanted: str) -> None:
    assert told(part(content="x"), finished(reason))[-2]["delta"]["stop_reason"] == wanted


def test_an_engine_that_says_stop_after_a_call_means_the_call() -> None:
    assert told(calls((0, "a", "f", "{}")), finished("stop"))[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
def test_the_stop_sequence_where_the_engine_tells(name: str) -> None:
    ends: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop", name: "END"}
    found = told(part(content="x"), sse({"id": "c", "choices": [ends]}), usage_chunk(1, 1), DONE)
    assert found[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    ends[name] = 151645
    assert told(sse({"choices": [ends]}), DONE)[-2]["delta"]["stop_reason"] == "end_turn"


def test_cached_tokens_are_apart_and_thoughts_are_output() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    found = told(part(content="x"), part(finish="stop"), sse({"choices": [], "usage": usage}), DONE)
    assert found[-2]["usage"] == {
        "input_tokens": 2,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 8,
        "output_tokens": 6,
    }


def test_figures_that_come_with_the_first_text_are_in_the_start() -> None:
    start = events(run(AnthropicStream("m"), captured("timings_stream.sse")))[0]["message"]["usage"]
    assert start["input_tokens"] + start["cache_read_input_tokens"] == 12


def test_calls_that_all_have_index_0_are_told_apart_by_their_ids() -> None:
    found = told(calls((0, "a", "f", "{}")), calls((0, "b", "f", "[]")), finished("tool_calls"))
    assert [event["content_block"]["id"] for event in found if "content_block" in event] == ["a", "b"]


def test_an_id_and_a_name_that_are_repeated_begin_no_new_call() -> None:
    found = told(calls((0, "a", "f", "{")), calls((0, "a", "f", "}")), finished("tool_calls"))
    assert kinds(found).count("content_block_start") == 1


def test_calls_without_ids_get_some_and_a_name_may_come_late() -> None:
    found = told(calls((0, None, None, "{")), calls((0, None, "f", "}")), calls((1, None, "g", "{}")), finished())
    started = [event["content_block"] for event in found if "content_block" in event]
    assert [(one["id"], one["name"]) for one in started] == [("call_c1_0", "f"), ("call_c1_1", "g")]
    pieces = [event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta"]
    assert pieces == ["{}", "{}"]


@given(chat_streams(), cuts)
def test_where_a_stream_is_cut_changes_nothing(data: bytes, at: list[int]) -> None:
    wanted = run(AnthropicStream("m"), data)
    assert run(AnthropicStream("m"), data, at) == wanted
    found = events(wanted)
    assert (found[0]["type"], found[-1]["type"]) == ("message_start", "message_stop")
    opened = [event["index"] for event in found if event["type"] == "content_block_start"]
    assert opened == [event["index"] for event in found if event["type"] == "content_block_stop"]
    assert opened == list(range(len(opened)))


@given(
    st.lists(
        st.binary(max_size=20) | st.sampled_from([b"data: ", b"\n\n", b"{", b'{"choices":[{"delta":{"content":"x"}}]}'])
    )
)
def test_no_bytes_raise_and_the_end_is_always_told(chunks: list[bytes]) -> None:
    translator = AnthropicStream("m")
    out = b"".join([translator.feed(chunk) for chunk in chunks]) + translator.finish()
    assert kinds(events(out))[-1] in ("message_stop", "error")
    assert translator.feed(b"data: x\n\n") == b""


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([b"data: {nope}\n\n"], "could not be read"),
        ([part(content="x"), b'data: {"error":{"message":"slot lost","code":500}}\n\n'], "slot lost"),
        ([part(content="x"), b'error: {"message":"old server"}\n\n'], "old server"),
        ([part(content="x")], "stopped before"),
        ([], "stopped before"),
        ([DONE], "without an answer"),
        ([part(finish="error")], "broke the answer off"),
        ([calls((0, "a", None, "{}")), finished()], "without a name"),
        ([calls((0, "a", "f", "{")), calls((1, "b", "g", "{")), calls((0, None, None, "}"))], "mixes"),
        ([b"data: " + b"x" * (17 * 1024 * 1024)], "bytes"),
    ],
)
def test_a_stream_that_fails_ends_with_an_error_and_nothing_after_it(chunks: list[bytes], words: str) -> None:
    translator = AnthropicStream("m")
    found = events(run(translator, b"".join(chunks)))
    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["type"] == "api_error"
    assert words in found[-1]["error"]["message"]
    assert translator.has_error


def test_a_failure_of_the_connection_ends_it_too_once() -> None:
    translator = AnthropicStream("m")
    translator.feed(part(content="x"))
    found = events(translator.fail(UpstreamTimeout("silence")))
    assert found == [{"type": "error", "error": {"type": "timeout_error", "message": "silence"}}]
    assert translator.fail(UpstreamTimeout("again")) + translator.finish() == b""
