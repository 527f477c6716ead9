"""What engines do beside OpenAI's wire is put right: bytes of `transformers serve`, cut anywhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.domain.answer import read_answer
from roundhouse_router.domain.stream import StreamScanner
from roundhouse_router.domain.tokens import TokenCounts
from tests.support.scripted_engine import DONE, chunk, sse, usage_chunk
from tests.unit.router.test_router_stream import documents, pieces

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transformers_serve"
STREAMS = [(FIXTURES / name).read_bytes() for name in ("chat.sse", "completion.sse")]
USAGE = {"prompt_tokens": 31, "completion_tokens": 7, "total_tokens": 38}
COUNTS = TokenCounts(input_tokens=31, output_tokens=7)
cuts = st.lists(st.integers(0, 2000), max_size=12)


def corrected(data: bytes, at: list[int], *, wants_usage: bool) -> tuple[list[Any], StreamScanner]:
    """Return the events that the client gets."""
    scan = StreamScanner(
        requested="tiny", strip_usage=not wants_usage, running=None, strip_running=False, moves_usage=True
    )
    out = b"".join([scan.feed(piece) for piece in pieces(data, at)]) + scan.finish()
    return documents(out), scan


@pytest.mark.contract("A11")
@given(st.sampled_from(STREAMS), cuts, st.booleans())
def test_the_client_sees_the_model_that_it_asked_for(data: bytes, at: list[int], wants_usage: bool) -> None:
    events, _ = corrected(data, at, wants_usage=wants_usage)
    assert {event["model"] for event in events} == {"tiny"}


@pytest.mark.contract("A11")
@given(st.sampled_from(STREAMS), cuts)
def test_usage_that_the_client_did_not_ask_for_is_counted_and_taken_out(data: bytes, at: list[int]) -> None:
    events, scan = corrected(data, at, wants_usage=False)
    before = documents(data)
    assert [event["choices"] for event in events] == [event["choices"] for event in before]
    assert not any("usage" in event for event in events)
    assert scan.usage == COUNTS


@pytest.mark.contract("A11")
@given(st.sampled_from(STREAMS), cuts)
def test_usage_that_the_client_asked_for_comes_in_a_chunk_of_its_own(data: bytes, at: list[int]) -> None:
    events, scan = corrected(data, at, wants_usage=True)
    before = documents(data)
    *text, last = events
    assert [event["choices"] for event in text] == [event["choices"] for event in before]
    assert not any("usage" in event for event in text)
    assert (last["choices"], last["usage"], last["id"]) == ([], USAGE, before[0]["id"])
    assert scan.usage == COUNTS


def closing(**extra: Any) -> bytes:
    return chunk("", model="tiny").replace(b"null}]}", b'"stop"}],"usage":' + json.dumps(extra).encode() + b"}")


def test_usage_that_is_owed_comes_before_the_end() -> None:
    data = chunk("a") + closing(**USAGE) + DONE
    events, scan = corrected(data, [], wants_usage=True)
    assert [event.get("usage") for event in events] == [None, None, USAGE]
    assert scan.is_done


@given(cuts)
def test_usage_comes_once_from_an_engine_that_has_it_in_both_chunks(at: list[int]) -> None:
    events, _ = corrected(closing(**USAGE) + usage_chunk(31, 7) + DONE, at, wants_usage=True)
    assert [event.get("usage") for event in events] == [None, USAGE]


def test_usage_in_every_chunk_stays_with_a_client_that_asked_for_it() -> None:
    running = sse({"model": "tiny", "choices": [{"delta": {"content": "a"}, "finish_reason": None}], "usage": USAGE})
    events, _ = corrected(running + running + DONE, [], wants_usage=True)
    assert [event["usage"] for event in events] == [USAGE, USAGE]


def test_a_stream_of_an_engine_that_does_it_right_is_not_held() -> None:
    scan = StreamScanner(requested="tiny", strip_usage=False, running=None, strip_running=False, moves_usage=False)
    scan.feed(chunk("a"))
    assert scan.feed(b'data: {"half') == b'data: {"half'


def test_a_whole_answer_names_the_model_that_the_client_asked_for() -> None:
    body = (FIXTURES / "chat.json").read_bytes()
    answer, counts = read_answer(body, "tiny")
    assert json.loads(answer) == {**json.loads(body), "model": "tiny"}
    assert counts == COUNTS
