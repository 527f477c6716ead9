"""The real vLLM on the processor, under the agent: it chats, streams, tells probabilities, and drains under load."""

import math
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.process.engines.deployed import client_of, deployed
from tests.process.platform import Platform, until
from tests.process.traffic import Traffic

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1500)]

CAPITAL = "What is the capital of France? Answer in one sentence."


@pytest.fixture(scope="module")
def model(vllm: Platform, smollm2_checkpoint: Path) -> Iterator[str]:
    with deployed(
        vllm,
        "smollm2-vllm",
        "--engine",
        "vllm",
        "--memory",
        "4GiB",
        model=("--path", str(smollm2_checkpoint), "--context-length", "8192"),
        parameters={"context": "1024", "parallel": "8", "eager": "true", "tool_parser": "hermes"},
        within_s=900,
    ) as name:
        yield name


@pytest.fixture
def client(vllm: Platform) -> Iterator[openai.OpenAI]:
    with client_of(vllm) as client:
        yield client


@pytest.mark.contract("A04", "A11", "A30")
def test_it_answers_a_question(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": CAPITAL}], max_tokens=24, temperature=0
    )

    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == model
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


@pytest.mark.contract("A30")
def test_it_streams_with_its_usage_at_the_end(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": CAPITAL}],
            max_tokens=24,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Paris" in text
    assert len(chunks) > 5
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_it_tells_probabilities(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": CAPITAL}],
        max_tokens=6,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    )

    assert answer.choices[0].logprobs is not None
    tokens = answer.choices[0].logprobs.content or []
    assert 0 < len(tokens) <= 6
    assert all(len(token.top_logprobs) == 2 and 0 < math.exp(token.logprob) <= 1.001 for token in tokens)


@pytest.mark.contract("A05", "A33")
async def test_a_replica_that_goes_under_load_fails_no_request(vllm: Platform, model: str) -> None:
    vllm.command("deployments", "scale", model, "2")
    await until(lambda: len(vllm.engine_pids()) == 2, within_s=600, what="a second vLLM is ready")
    connection = vllm.connection
    async with Traffic(
        connection["router_url"], connection["api_key"], clients=6, max_tokens=48, model=model
    ) as traffic:
        await traffic.more(6, within_s=300)
        vllm.command("deployments", "scale", model, "1")
        await until(
            lambda: [replica["phase"] for replica in vllm.replicas()] == ["ready"],
            within_s=200,
            what="one replica is left",
        )
        await traffic.more(6, within_s=300)

    assert traffic.failures == []
    assert traffic.completed >= 12
