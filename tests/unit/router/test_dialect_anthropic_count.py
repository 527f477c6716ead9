"""Counting the tokens of a request."""

import json
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_router.dialects.anthropic_count import (
    TokenizeCall,
    count_request,
    counted,
    estimated,
    first_call,
    next_step,
)
from roundhouse_router.domain.errors import BadBody, UpstreamFailed

pytestmark = pytest.mark.contract("D11")


def chat(**members: Any) -> bytes:  # Any: JSON
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return count_request(json.dumps(body).encode())


def test_the_prompt_is_that_of_the_same_message() -> None:
    made = json.loads(chat(system="be kind", tools=[{"name": "f", "input_schema": {"type": "object"}}]))
    assert made["messages"] == [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    assert made["tools"][0]["function"]["name"] == "f"
    assert set(made) == {"model", "messages", "tools"}


def test_vllm_tokenizes_a_chat() -> None:
    call = first_call(EngineKind.VLLM, chat())
    assert call == TokenizeCall("/tokenize", chat())
    assert next_step(EngineKind.VLLM, b'{"count":33,"max_model_len":1024,"tokens":[1]}') == 33


def test_llama_cpp_applies_the_template_and_then_tokenizes() -> None:
    call = first_call(EngineKind.LLAMA_CPP, chat())
    assert call is not None
    assert call.path == "/apply-template"
    second = next_step(EngineKind.LLAMA_CPP, b'{"prompt":"<|im_start|>hi"}')
    assert isinstance(second, TokenizeCall)
    assert (second.path, json.loads(second.body)["content"]) == ("/tokenize", "<|im_start|>hi")
    assert next_step(EngineKind.LLAMA_CPP, b'{"tokens":[1,4093,198]}') == 3


@pytest.mark.parametrize("answer", [b"oops", b"{}", b'{"count":"x"}', b"[" * 100_000])
def test_an_answer_that_counts_nothing_is_a_failure_of_the_engine(answer: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        next_step(EngineKind.VLLM, answer)


def test_an_engine_without_a_tokenizer_is_estimated() -> None:
    assert first_call(EngineKind.OLLAMA, chat()) is None
    assert estimated(chat(messages=[{"role": "user", "content": "x" * 400}])) == 104
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}
    image = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    assert estimated(chat(messages=image)) == 1004, "not by the bytes of the picture"


def test_the_answer() -> None:
    assert counted(5) == b'{"input_tokens":5}'


def test_no_messages_are_refused() -> None:
    with pytest.raises(BadBody, match="messages"):
        chat(messages=[])
