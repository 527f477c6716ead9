"""The real vLLM on the processor with a model of embeddings: embeds, reranks, and scores through the router."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.engines.deployed import client_of, deployed, likeness
from tests.process.platform import Platform, send

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1500)]

CAR, AUTOMOBILE, TAX = "How do I repair a car?", "Mending an automobile", "The tax law of Portugal"


@pytest.fixture(scope="module")
def model(vllm: Platform, minilm_checkpoint: Path) -> Iterator[str]:
    with deployed(
        vllm,
        "minilm-vllm",
        "--engine",
        "vllm",
        "--memory",
        "4GiB",
        model=("--path", str(minilm_checkpoint), "--kind", "embedding", "--context-length", "512"),
        parameters={"context": "256", "dtype": "float32", "eager": "true"},
        within_s=900,
    ) as name:
        yield name


@pytest.mark.contract("A04")
def test_embeddings_know_what_is_alike(vllm: Platform, model: str) -> None:
    with client_of(vllm) as client:
        answer = client.embeddings.create(model=model, input=[CAR, AUTOMOBILE, TAX])

    car, automobile, tax = (item.embedding for item in answer.data)
    assert len(car) == 384
    assert likeness(car, automobile) > likeness(car, tax) + 0.2
    assert answer.usage.prompt_tokens > 0


async def test_the_text_that_fits_the_question_is_ranked_first(vllm: Platform, model: str) -> None:
    connection = vllm.connection
    body = {"model": model, "query": CAR, "documents": [TAX, AUTOMOBILE]}
    answer = await send("POST", f"{connection['router_url']}/v1/rerank", connection["api_key"], body)

    ranked = sorted(answer["results"], key=lambda result: -result["relevance_score"])
    assert [result["index"] for result in ranked] == [1, 0]
    assert answer["model"] == model


async def test_two_texts_are_scored(vllm: Platform, model: str) -> None:
    connection = vllm.connection
    body = {"model": model, "text_1": CAR, "text_2": [AUTOMOBILE, TAX]}
    answer = await send("POST", f"{connection['router_url']}/v1/score", connection["api_key"], body)

    close, far = (item["score"] for item in answer["data"])
    assert close > far + 0.2
