"""Answers of engines that speak Anthropic's API: figures are read, and only the model's name is changed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults
from roundhouse_common.contracts.features import Feature
from roundhouse_router.dialects.anthropic_native import AnthropicScanner, read_message
from roundhouse_router.dialects.native import speaks
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.tokens import TokenCounts
from tests.support.chat_streams import captured, cuts, events, run
from tests.support.running_router import deployment_endpoints, endpoint

pytestmark = pytest.mark.contract("D11")

STREAM = captured("messages_stream.sse")


def event(kind: str, **members: Any) -> bytes:  # Any: JSON
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


@given(cuts)
def test_a_stream_of_llama_cpp_passes_untouched_and_is_counted(at: list[int]) -> None:
    scanner = AnthropicScanner("tiny")
    assert run(scanner, STREAM, at) == STREAM
    assert scanner.usage is not None
    assert scanner.usage.input_tokens + scanner.usage.cached_input_tokens == 12
    assert scanner.usage.output_tokens == 8
    assert scanner.is_done
    assert not scanner.has_error


@given(cuts)
def test_only_the_name_of_the_model_is_changed(at: list[int]) -> None:
    scanner = AnthropicScanner("asked")
    passed = events(run(scanner, STREAM, at))
    wanted = events(STREAM)
    wanted[0]["message"]["model"] = "asked"
    assert passed == wanted


def test_figures_of_caches_and_thoughts() -> None:
    start = {"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3, "output_tokens": 1}
    ending = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    scanner = AnthropicScanner("m")
    run(
        scanner,
        event("message_start", message={"model": "m", "usage": start})
        + event("message_delta", usage=ending)
        + event("message_stop"),
    )
    wanted = TokenCounts(
        input_tokens=5, cached_input_tokens=7, cache_write_tokens=3, output_tokens=5, reasoning_tokens=4
    )
    assert scanner.usage == scanner.so_far() == wanted


def test_a_stream_that_ends_early_is_counted_by_its_pieces() -> None:
    scanner = AnthropicScanner("m")
    assert scanner.so_far() is None
    scanner.feed(event("message_start", message={"model": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}))
    assert scanner.so_far() is None
    for _ in range(3):
        scanner.feed(event("content_block_delta", index=0, delta={"type": "text_delta", "text": '"usage"'}))
    assert scanner.so_far() == TokenCounts(input_tokens=5, output_tokens=3)
    assert not scanner.is_done


def test_an_error_inside_a_stream_is_seen() -> None:
    scanner = AnthropicScanner("m")
    data = event("error", error={"type": "overloaded_error", "message": "busy"})
    assert run(scanner, data) == data
    assert scanner.has_error


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"data: {", b"\n", b'data: {"type":"message_start"}\n'])))
def test_any_bytes_pass(chunks: list[bytes]) -> None:
    scanner = AnthropicScanner("m")
    passed = b"".join([scanner.feed(chunk) for chunk in chunks])
    assert b"".join(chunks).startswith(passed)


@given(cuts)
def test_a_stream_that_stops_before_its_end_is_a_failure(at: list[int]) -> None:
    scanner = AnthropicScanner("tiny")
    with pytest.raises(UpstreamFailed, match="stopped"):
        run(scanner, STREAM[: STREAM.rindex(b"event:")], at)


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    scanner = AnthropicScanner("m")
    scanner.feed(b"x" * 10_000_000)
    with pytest.raises(UpstreamFailed):
        scanner.feed(b"x" * 10_000_000)


def test_a_whole_answer() -> None:
    body = captured("messages_whole.json")
    passed, counts = read_message(body, "tiny")
    assert passed == body
    assert counts is not None
    assert (counts.input_tokens + counts.cached_input_tokens, counts.output_tokens) == (12, 8)
    assert json.loads(read_message(body, "asked")[0]) == {**json.loads(body), "model": "asked"}
    assert read_message(b"oops", "m") == (b"oops", None)


def test_which_engines_get_the_clients_own_bytes() -> None:
    both = (Feature.MESSAGES, Feature.RESPONSES)
    llama = endpoint("http://x", engine=EngineKind.LLAMA_CPP, features=both)
    vllm = endpoint("http://x", engine=EngineKind.VLLM, features=both)
    plain = deployment_endpoints(llama, vllm)
    assert speaks(plain, llama, Feature.MESSAGES)
    assert not speaks(plain, llama, Feature.RESPONSES), "its events lack what the openai client needs"
    assert speaks(plain, vllm, Feature.RESPONSES)
    assert not speaks(plain, endpoint("http://x", engine=EngineKind.VLLM), Feature.MESSAGES)
    owned = deployment_endpoints(vllm, defaults=ModelDefaults(system_message="Be kind."))
    assert not speaks(owned, vllm, Feature.MESSAGES), "its owner's words would not be put in"
