"""Answers of engines that speak the Responses API: figures are read, and only the model's name is changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.responses_native import ResponsesScanner, read_response
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.tokens import TokenCounts
from tests.support.chat_streams import captured, cuts, events, run

pytestmark = pytest.mark.contract("D11")

STREAM = captured("responses_stream.sse")


def event(kind: str, **members: Any) -> bytes:  # Any: JSON
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


@given(cuts)
def test_a_stream_of_llama_cpp_passes_untouched_and_is_counted(at: list[int]) -> None:
    scanner = ResponsesScanner("tiny")
    assert run(scanner, STREAM, at) == STREAM
    assert scanner.usage is not None
    assert scanner.usage.input_tokens + scanner.usage.cached_input_tokens == 12
    assert scanner.usage.output_tokens == 8
    assert scanner.is_done
    assert not scanner.has_error


@given(cuts)
def test_only_the_name_of_the_model_is_changed(at: list[int]) -> None:
    wanted = events(STREAM)
    wanted[-1]["response"]["model"] = "asked"
    assert events(run(ResponsesScanner("asked"), STREAM, at)) == wanted


def test_the_classes_of_tokens_are_disjoint() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 6,
        "input_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    scanner = ResponsesScanner("m")
    run(scanner, event("response.incomplete", response={"model": "m", "usage": usage}))
    assert scanner.is_done
    assert scanner.so_far() == TokenCounts(
        input_tokens=1, cached_input_tokens=7, cache_write_tokens=2, output_tokens=1, reasoning_tokens=5
    )


def test_a_stream_that_ends_early_is_counted_by_its_pieces() -> None:
    scanner = ResponsesScanner("m")
    assert scanner.so_far() is None
    for _ in range(3):
        scanner.feed(event("response.output_text.delta", delta='.delta"'))
    assert scanner.so_far() == TokenCounts(output_tokens=3)


@pytest.mark.parametrize("kind", ["error", "response.failed"])
def test_an_error_inside_a_stream_is_seen(kind: str) -> None:
    scanner = ResponsesScanner("m")
    run(scanner, event(kind, response={"status": "failed", "error": {"message": "x"}}))
    assert scanner.has_error


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"data: {", b"\n", b'data: {"response":{}}\n'])))
def test_any_bytes_pass(chunks: list[bytes]) -> None:
    scanner = ResponsesScanner("m")
    passed = b"".join([scanner.feed(chunk) for chunk in chunks])
    assert b"".join(chunks).startswith(passed)


@given(cuts)
def test_a_stream_that_stops_before_its_end_is_a_failure(at: list[int]) -> None:
    scanner = ResponsesScanner("tiny")
    with pytest.raises(UpstreamFailed, match="stopped"):
        run(scanner, STREAM[: STREAM.rindex(b"event:")], at)


def test_a_whole_answer() -> None:
    body = captured("responses_whole.json")
    passed, counts = read_response(body, "tiny")
    assert passed == body
    assert counts is not None
    assert (counts.input_tokens + counts.cached_input_tokens, counts.output_tokens) == (12, 8)
    assert json.loads(read_response(body, "asked")[0]) == {**json.loads(body), "model": "asked"}
    assert read_response(b"oops", "m") == (b"oops", None)
