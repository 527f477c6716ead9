"""The scanner over streams that are cut anywhere."""

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_router.domain.engines import RUNNING, Running
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.stream import MAX_LINE_BYTES, StreamScanner
from roundhouse_router.domain.tokens import TokenCounts
from tests.support.scripted_engine import DONE, chunk, sse, usage_chunk

LLAMA = RUNNING[EngineKind.LLAMA_CPP]
NASTY = ['"usage"', "data: [DONE]", '"timings":{"predicted_n":99}', '\n\n"model":"x"', "é\u2028\u2029", '\\"', "}", ""]
texts = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=5)
cuts = st.lists(st.integers(0, 2000), max_size=12)


def scanner(
    requested: str = "tiny", *, strip_usage: bool = True, running: Running | None = None, strip_running: bool = False
) -> StreamScanner:
    return StreamScanner(requested=requested, strip_usage=strip_usage, running=running, strip_running=strip_running)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def run(scan: StreamScanner, data: bytes, at: list[int]) -> bytes:
    return b"".join([scan.feed(piece) for piece in pieces(data, at)]) + scan.finish()


def documents(stream: bytes) -> list[Any]:  # Any: JSON documents
    lines = [line for line in stream.split(b"\n") if line.strip()]
    assert all(line.startswith(b"data: ") for line in lines)
    return [json.loads(line[6:]) for line in lines if line.strip() != b"data: [DONE]"]


def with_timings(text: str, cached: int, prompt: int, output: int) -> bytes:
    return chunk(text, timings={"cache_n": cached, "prompt_n": prompt, "prompt_ms": 1.5, "predicted_n": output})


@given(texts, cuts)
def test_what_the_client_asked_for_passes_byte_for_byte(words: list[str], at: list[int]) -> None:
    data = b"".join(map(chunk, words)) + usage_chunk(9, 4) + DONE
    scan = scanner(strip_usage=False)
    assert run(scan, data, at) == data
    assert scan.is_done
    assert scan.usage == TokenCounts(input_tokens=9, output_tokens=4)


@given(texts, cuts, st.booleans())
@example(["a"], [], True)
def test_only_the_usage_chunk_is_taken_out(words: list[str], at: list[int], carriage_returns: bool) -> None:
    kept, usage = b"".join(map(chunk, words)), usage_chunk(9, 4)
    data, wanted = kept + usage + DONE, kept + DONE
    if carriage_returns:
        data, wanted = data.replace(b"\n", b"\r\n"), wanted.replace(b"\n", b"\r\n")
    scan = scanner()
    assert run(scan, data, at) == wanted
    assert scan.usage == TokenCounts(input_tokens=9, output_tokens=4)
    assert scan.is_done


@given(texts, cuts)
def test_running_figures_are_read_and_taken_out_and_no_text_is_touched(words: list[str], at: list[int]) -> None:
    data = b"".join(with_timings(word, 5, 2, n) for n, word in enumerate(words, 1))
    scan = scanner(running=LLAMA, strip_running=True)
    assert run(scan, data, at) == b"".join(map(chunk, words))
    wanted = TokenCounts(input_tokens=2, cached_input_tokens=5, output_tokens=len(words)) if words else None
    assert scan.so_far() == wanted


@given(texts, cuts, st.text(min_size=1, max_size=8))
def test_another_model_name_is_replaced_and_no_text_is_touched(words: list[str], at: list[int], name: str) -> None:
    data = b"".join(chunk(word, model=name) for word in words) + DONE
    assert documents(run(scanner(), data, at)) == documents(b"".join(chunk(word) for word in words))


@given(st.lists(st.text(min_size=1, max_size=6).filter(lambda text: text[0] not in '"\\'), max_size=6), cuts)
def test_chunks_that_carry_text_are_counted_when_the_engine_gives_no_figures(words: list[str], at: list[int]) -> None:
    opening = sse({"model": "tiny", "choices": [{"delta": {"role": "assistant", "content": ""}}]})
    scan = scanner()
    run(scan, opening + b"".join(map(chunk, words)), at)
    assert scan.so_far() == (TokenCounts(output_tokens=len(words)) if words else None)


@given(st.lists(st.binary(max_size=40), max_size=8).filter(lambda noise: b'"model"' not in b"".join(noise)))
def test_no_bytes_make_the_scanner_fail_and_none_are_lost(noise: list[bytes]) -> None:
    scan = scanner(strip_usage=False)
    assert b"".join([scan.feed(piece) for piece in noise]) + scan.finish() == b"".join(noise)


def test_usage_in_the_last_chunk_of_text_is_counted_and_taken_out() -> None:
    text = {"model": "tiny", "choices": [{"text": "x"}]}
    last = sse({**text, "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
    scan = scanner()
    assert run(scan, last + DONE, []) == sse(text) + DONE
    assert scan.usage == TokenCounts(input_tokens=3, output_tokens=1)


def test_cached_and_reasoning_tokens_are_classes_of_their_own() -> None:
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
    scan = scanner()
    run(scan, sse({"model": "tiny", "choices": [], "usage": usage}), [])
    assert scan.usage == TokenCounts(input_tokens=10, cached_input_tokens=20, output_tokens=4, reasoning_tokens=8)


def test_the_figures_of_the_engines_last_chunk_stay_with_the_client() -> None:
    closing = sse({"model": "tiny", "choices": [{"finish_reason": "stop"}], "timings": {"predicted_n": 3}})
    assert run(scanner(running=LLAMA, strip_running=True), closing, []) == closing


def test_whole_chunks_pass_at_once_when_nothing_is_to_be_changed() -> None:
    scan = scanner(strip_usage=False)
    assert scan.feed(chunk("a")) == chunk("a")
    half = chunk("b")[:20]
    assert scan.feed(half) == half


@pytest.mark.parametrize(
    ("line", "is_error"),
    [
        (b'data: {"error":{"message":"no"}}\n\n', True),
        (b'error: {"code":500}\n\n', True),
        (b'data: {"error":null,"choices":[]}\n\n', False),
        (chunk('{"error":{}}'), False),
    ],
)
def test_an_error_inside_the_stream_is_noticed(line: bytes, is_error: bool) -> None:
    scan = scanner()
    scan.feed(line)
    assert scan.has_error is is_error


def test_a_line_without_an_end_is_given_up() -> None:
    scan = scanner()
    scan.feed(b"x" * MAX_LINE_BYTES)
    with pytest.raises(UpstreamFailed):
        scan.feed(b"x")


def test_the_end_is_the_line_and_not_the_word() -> None:
    scan = scanner()
    scan.feed(chunk("data: [DONE]"))
    assert not scan.is_done
    assert re.search(rb"DONE", scan.feed(DONE))
    assert scan.is_done
