"""Reading a streamed answer."""

import json

import pytest

from roundhouse_cli.errors import Failure
from roundhouse_cli.sse import deltas


def chunk(text: str | None) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": text}}]})


def test_the_text_comes_piece_by_piece_and_ends_at_done() -> None:
    lines = [chunk(None), "", ": comment", chunk("Par"), "", chunk("is"), "data: [DONE]", chunk("never")]

    assert list(deltas(iter(lines))) == ["Par", "is"]


def test_a_usage_chunk_has_no_text() -> None:
    assert list(deltas(iter(['data: {"choices": [], "usage": {"total_tokens": 3}}', "data: [DONE]"]))) == []


def test_an_error_in_the_stream_is_told() -> None:
    lines = iter([chunk("Par"), 'data: {"error": {"message": "the engine ended"}}'])
    pieces = deltas(lines)

    assert next(pieces) == "Par"
    with pytest.raises(Failure, match="the engine ended"):
        next(pieces)
