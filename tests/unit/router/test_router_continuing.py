"""Going on with a stream at another engine: what may be continued, how the next engine is asked, and how it fits."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_router.domain.continuing import Continued, Story, continued_body, may_continue
from roundhouse_router.domain.members import split
from roundhouse_router.domain.tokens import TokenCounts
from tests.support.scripted_engine import DONE, chunk, sse, usage_chunk

USER = [{"role": "user", "content": "count"}]


def request(**members: object) -> bytes:
    return json.dumps({"model": "tiny", "messages": USER, **members}).encode()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tools": []},
        {"response_format": {"type": "text"}},
        {"logprobs": False},
        {"tools": None, "temperature": 0.1, "stop": ["x"]},
    ],
)
def test_plain_text_may_be_continued(members: dict[str, object]) -> None:
    assert may_continue(split(request(**members)), 1)


@pytest.mark.parametrize(
    "members",
    [
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        {"grammar": "root ::= x"},
        {"guided_json": {"type": "object"}},
        {"structured_outputs": {"regex": "a"}},
        {"logprobs": True},
        {"messages": [*USER, {"role": "assistant", "content": "1, 2"}]},
        {"messages": []},
        {"messages": "no list"},
    ],
)
def test_what_refers_to_its_beginning_is_not(members: dict[str, object]) -> None:
    assert not may_continue(split(request(**members)), 1)


def test_several_answers_are_not_continued() -> None:
    assert not may_continue(split(request(n=2)), 2)


@given(st.integers(1, 40))
def test_the_story_is_the_text_however_the_stream_is_cut(size: int) -> None:
    stream = chunk("one ") + b": a comment\n\n" + chunk('two "quoted"\n') + chunk("three")
    story = Story()
    for start in range(0, len(stream), size):
        story.feed(stream[start : start + size])
    assert (story.text, story.chunk_id, story.can_go_on) == ('one two "quoted"\nthree', "c", True)


@pytest.mark.parametrize(
    "more",
    [
        sse({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        DONE,
        sse({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]}),
        sse({"id": "c", "choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}),
        sse({"id": "c", "choices": [{"index": 1, "delta": {"content": "other"}}]}),
        b"data: {broken\n\n",
    ],
)
def test_a_story_that_ended_or_is_not_plain_text_does_not_go_on(more: bytes) -> None:
    story = Story()
    story.feed(chunk("text") + more)
    assert not story.can_go_on


def test_without_a_word_there_is_nothing_to_go_on_from() -> None:
    assert not Story().can_go_on


def test_the_next_engine_gets_what_was_said_as_the_beginning_of_the_answer() -> None:
    body = continued_body(split(request(max_tokens=10)), "1, 2", EngineKind.VLLM, 4)
    assert body is not None
    assert json.loads(body) == {
        "model": "tiny",
        "messages": [*USER, {"role": "assistant", "content": "1, 2"}],
        "max_tokens": 6,
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


def test_an_engine_that_cannot_and_a_request_that_has_all_its_tokens_are_not_continued() -> None:
    assert continued_body(split(request()), "x", EngineKind.TRANSFORMERS, 1) is None
    assert continued_body(split(request(max_tokens=3)), "x", EngineKind.LLAMA_CPP, 3) is None
    assert continued_body(split(request(max_tokens=None)), "x", EngineKind.LLAMA_CPP, 3) is not None


@given(st.integers(1, 60))
def test_the_second_stream_fits_behind_the_first(size: int) -> None:
    first = sse({"id": "other", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    last = sse({"id": "other", "choices": [{"index": 0, "delta": {"content": None, "role": "assistant"}}]})
    stream = first + chunk(" 3") + last + usage_chunk(14, 2) + DONE
    fitted = Continued("chat-1", TokenCounts(input_tokens=10, output_tokens=4))
    out = b"".join(fitted.feed(stream[start : start + size]) for start in range(0, len(stream), size))
    out += fitted.finish()
    events = [json.loads(line[6:]) for line in out.split(b"\n") if line.startswith(b"data: {")]
    assert {event["id"] for event in events} == {"chat-1"}
    assert [event["choices"][0]["delta"] for event in events[:3]] == [
        {"content": ""},
        {"content": " 3"},
        {"content": None},
    ]
    assert events[3]["usage"]["prompt_tokens"] == 10
    assert events[3]["usage"]["completion_tokens"] == 6
    assert out.endswith(DONE)


def test_a_prompt_that_the_first_engine_did_not_count_is_what_the_second_read_less_what_was_said() -> None:
    fitted = Continued("c", TokenCounts(output_tokens=4))
    total = fitted.total(TokenCounts(input_tokens=9, cached_input_tokens=5, output_tokens=2))
    assert total == TokenCounts(input_tokens=5, cached_input_tokens=5, output_tokens=6)
