"""OpenAI's chat streams as events of its Responses API."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.responses import RESPONSES
from roundhouse_router.dialects.responses_stream import ResponsesStream
from roundhouse_router.domain.errors import UpstreamTimeout
from tests.support.chat_streams import calls, captured, chat_streams, cuts, events, finished, part, run
from tests.support.scripted_engine import DONE

pytestmark = pytest.mark.contract("D11")

REQUEST = RESPONSES.read(b'{"model":"asked","input":"hi","stream":true,"temperature":0.5,"user":null}', "/v1/responses")


def stream() -> ResponsesStream:
    return RESPONSES.stream(REQUEST)


def told(*chunks: bytes) -> list[Any]:  # Any: JSON documents
    return events(run(stream(), b"".join(chunks)))


def test_a_text() -> None:
    found = told(part(content="hel"), part(content="lo"), finished("stop", 9, 4))
    place = {"item_id": "msg_c1_0", "output_index": 0, "content_index": 0}
    text = {"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}
    item = {"type": "message", "id": "msg_c1_0", "role": "assistant", "content": [text], "status": "completed"}
    assert [event["sequence_number"] for event in found] == list(range(10))
    assert found[2:9] == [
        {
            "type": "response.output_item.added",
            "sequence_number": 2,
            "output_index": 0,
            "item": {**item, "content": [], "status": "in_progress"},
        },
        {"type": "response.content_part.added", "sequence_number": 3, **place, "part": {**text, "text": ""}},
        {"type": "response.output_text.delta", "sequence_number": 4, **place, "delta": "hel", "logprobs": []},
        {"type": "response.output_text.delta", "sequence_number": 5, **place, "delta": "lo", "logprobs": []},
        {"type": "response.output_text.done", "sequence_number": 6, **place, "text": "hello", "logprobs": []},
        {"type": "response.content_part.done", "sequence_number": 7, **place, "part": text},
        {"type": "response.output_item.done", "sequence_number": 8, "output_index": 0, "item": item},
    ]
    assert [event["type"] for event in (found[0], found[1], found[9])] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    begun, ended = found[0]["response"], found[9]["response"]
    assert (begun["id"], begun["status"], begun["output"], begun["usage"]) == ("resp_c1", "in_progress", [], None)
    assert (begun["created_at"], begun["model"], begun["temperature"], begun["user"]) == (7, "asked", 0.5, None)
    assert (begun["store"], begun["tools"], begun["tool_choice"]) == (False, [], "auto")
    assert ended == begun | {"status": "completed", "output": [item], "usage": ended["usage"]}
    assert ended["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 13,
    }


@pytest.mark.contract("D12")
def test_thoughts_text_and_two_tools_are_items_one_after_the_other() -> None:
    found = told(
        part(reasoning_content="hm"),
        part(content="so"),
        calls((0, "a", "weather", "")),
        calls((0, None, None, '{"city":"Rome"}'), (1, "b", "time", "{}")),
        finished("tool_calls"),
    )
    output = found[-1]["response"]["output"]
    assert [(item["type"], item["id"]) for item in output] == [
        ("reasoning", "rs_c1_0"),
        ("message", "msg_c1_1"),
        ("function_call", "fc_c1_2"),
        ("function_call", "fc_c1_3"),
    ]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert output[2] == {
        "type": "function_call",
        "id": "fc_c1_2",
        "call_id": "a",
        "name": "weather",
        "arguments": '{"city":"Rome"}',
        "status": "completed",
    }
    assert [event["item"] for event in found if event["type"] == "response.output_item.done"] == output
    kinds = [event["type"] for event in found]
    assert kinds.count("response.function_call_arguments.delta") == 2
    assert kinds.count("response.function_call_arguments.done") == 2
    assert "response.reasoning_text.delta" in kinds
    assert "response.reasoning_text.done" in kinds


@pytest.mark.parametrize(("reason", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_is_incomplete(reason: str, why: str) -> None:
    found = told(part(reasoning="hm"), part(content="x"), finished(reason))
    assert found[-1]["type"] == "response.incomplete"
    ended = found[-1]["response"]
    assert (ended["status"], ended["incomplete_details"]) == ("incomplete", {"reason": why})
    assert [item["status"] for item in ended["output"]] == ["completed", "incomplete"]


def test_a_refusal_is_content_of_its_own_kind() -> None:
    found = told(part(refusal="no"), finished())
    assert found[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert "response.refusal.delta" in [event["type"] for event in found]


def test_logprobs_of_a_real_engine() -> None:
    found = events(run(stream(), captured("logprobs_stream.sse")))
    deltas = [event for event in found if event["type"] == "response.output_text.delta"]
    assert all(event["logprobs"][0]["token"] == event["delta"] for event in deltas)
    assert len(deltas[0]["logprobs"][0]["top_logprobs"]) == 2
    (text,) = found[-1]["response"]["output"][0]["content"]
    assert [token["token"] for token in text["logprobs"]] == [event["delta"] for event in deltas]


@given(chat_streams(), cuts)
def test_where_a_stream_is_cut_changes_nothing(data: bytes, at: list[int]) -> None:
    wanted = run(stream(), data)
    assert run(stream(), data, at) == wanted
    found = events(wanted)
    assert found[0]["type"] == "response.created"
    assert found[-1]["type"] in ("response.completed", "response.incomplete")
    assert [event["sequence_number"] for event in found] == list(range(len(found)))


@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([b"data: ", b"\n\n", b'{"choices":[{"delta":{"content":"x"}}]}']))
)
def test_no_bytes_raise_and_the_end_is_always_told(chunks: list[bytes]) -> None:
    translator = stream()
    out = b"".join([translator.feed(chunk) for chunk in chunks]) + translator.finish()
    assert events(out)[-1]["type"] in ("response.completed", "response.failed")


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([b"data: {nope}\n\n"], "could not be read"),
        ([part(content="x"), b'data: {"error":{"message":"slot lost","code":500}}\n\n'], "slot lost"),
        ([part(content="x")], "stopped before"),
        ([DONE], "without an answer"),
    ],
)
def test_a_stream_that_fails_ends_with_a_failed_response(chunks: list[bytes], words: str) -> None:
    translator = stream()
    found = events(run(translator, b"".join(chunks)))
    assert found[0]["type"] == "response.created"
    assert found[-1]["type"] == "response.failed"
    assert found[-1]["response"]["status"] == "failed"
    assert found[-1]["response"]["error"]["code"] == "server_error"
    assert words in found[-1]["response"]["error"]["message"]
    assert found[-1]["response"]["id"] == found[0]["response"]["id"]
    assert translator.has_error


def test_a_failure_of_the_connection_goes_on_with_the_numbers() -> None:
    translator = stream()
    before = events(translator.feed(part(content="x")))
    after = events(translator.fail(UpstreamTimeout("silence")))
    assert [event["type"] for event in after] == ["response.failed"]
    assert after[0]["sequence_number"] == len(before)
    assert events(RESPONSES.stream_error(UpstreamTimeout("silence")).lstrip())[0]["code"] == "upstream_timeout"
