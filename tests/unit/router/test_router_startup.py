"""The beginning of a stream: content, or an error that another endpoint may still mend."""

import pytest

from roundhouse_router.domain.startup import error_told, has_content
from tests.support.scripted_engine import DONE, chunk, sse, usage_chunk

ROLE = sse({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
NULL_ROLE = sse({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]})
TOOL = sse({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}}]})
END = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
ERROR = sse({"error": {"message": "out of memory", "type": "server_error", "param": None, "code": None}})


@pytest.mark.parametrize("piece", [chunk("x"), chunk('"'), TOOL, END, DONE, ROLE + chunk("x")])
def test_content_is_what_can_be_shown_or_the_end(piece: bytes) -> None:
    assert has_content(piece)


@pytest.mark.parametrize("piece", [ROLE, NULL_ROLE, ERROR, b": a comment\n\n", usage_chunk(1, 0), b"data: {"])
def test_a_role_a_comment_an_error_and_half_a_line_are_no_content(piece: bytes) -> None:
    assert not has_content(piece)


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (ERROR, "out of memory"),
        (ROLE + ERROR, "out of memory"),
        (b'error: {"code":500,"message":"broken"}\n\n', "broken"),
        (b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n', "busy"),
        (b'data: {"error":"in words"}\n\n', "in words"),
        (b'data: {"error":{"type":"x"}}\n\n', "The engine reported an error and did not say why."),
        (b'data: {"error": {"mess\n\n', "The engine reported an error that cannot be read."),
    ],
)
def test_an_error_before_any_content_is_told_in_the_engines_words(beginning: bytes, words: str) -> None:
    assert error_told(beginning) == words


@pytest.mark.parametrize("beginning", [ROLE, chunk("x") + ERROR, chunk('{"error": "said by the model"}'), b""])
def test_an_error_after_content_or_inside_it_is_none(beginning: bytes) -> None:
    assert error_told(beginning) is None
