"""The real `transformers serve`, installed because a deployment asks for it: it chats and streams."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.process.engines.deployed import client_of, deployed
from tests.process.platform import Platform

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1500)]

QUESTION = "What is the capital of France? Answer in one sentence."


@pytest.fixture(scope="module")
def model(large: Platform, smollm2_checkpoint: Path) -> Iterator[str]:
    with deployed(
        large,
        "smollm2-transformers",
        "--engine",
        "transformers",
        "--install-engine",
        "--memory",
        "2GiB",
        model=("--path", str(smollm2_checkpoint), "--context-length", "8192"),
        parameters={"dtype": "float32"},
        within_s=1200,
    ) as name:
        yield name


@pytest.fixture
def client(large: Platform) -> Iterator[openai.OpenAI]:
    with client_of(large) as client:
        yield client


@pytest.mark.contract("A04", "A17")
def test_it_answers_a_question(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], max_tokens=24, temperature=0
    )

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == model, "the engine names a path; the router corrects it"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_it_streams_as_openai_does(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            max_tokens=24,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None
    assert {chunk.model for chunk in chunks} == {model}


def test_what_it_does_not_have_is_said(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.embeddings.create(model=model, input="x")

    assert refused.value.status_code in (400, 404, 501)
