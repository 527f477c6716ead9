"""The real Xinference, installed by an order: it serves a GGUF file with its llama.cpp backend."""

from collections.abc import Iterator

import openai
import pytest

from tests.process.engines.deployed import client_of, deployed
from tests.process.platform import Platform
from tests.support.scheduler_stub import SMOLLM2

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def model(xinference: Platform) -> Iterator[str]:
    with deployed(
        xinference,
        "smollm2-xinference",
        "--engine",
        "xinference",
        "--memory",
        "2GiB",
        model=("--path", str(SMOLLM2), "--context-length", "8192"),
        parameters={"family": "qwen2.5-instruct", "backend": "llama.cpp", "format": "ggufv2", "size_billions": "0.5"},
        within_s=600,
    ) as name:
        yield name


@pytest.mark.contract("A17", "A21")
def test_it_answers_a_question(xinference: Platform, model: str) -> None:
    with client_of(xinference) as client:
        answer = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "What is the capital of France? Answer in one sentence."}],
            max_tokens=24,
            temperature=0,
        )

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == model


def test_it_streams(xinference: Platform, model: str) -> None:
    with client_of(xinference) as client:
        chunks = list(
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Say hello."}], max_tokens=12, stream=True
            )
        )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert isinstance(chunks[0], openai.types.chat.ChatCompletionChunk)
