"""A node that joins gets what is ordered for all from the nodes that have it: it needs no way to the source."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.platform import Platform, free_base_port, until
from tests.process.second_host import second_host
from tests.support.hub_server import HubServer
from tests.support.scheduler_stub import SMOLLM2

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

_FILE = "smol.Q4_1.gguf"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as serving:
        serving.add("acme/smol", {_FILE: Path(SMOLLM2)})
        yield serving


@pytest.fixture
def first(tmp_path: Path, hub: HubServer) -> Iterator[Platform]:
    """A Roundhouse without a model. Only its own node knows the hub."""
    endpoints = {"ROUNDHOUSE_NODE_AGENT_HUGGING_FACE_ENDPOINTS": json.dumps([hub.url])}
    running = Platform(tmp_path / "first", free_base_port(), environment=endpoints)
    running.up("--no-demo")
    yield running
    running.down()
    assert list(running.processes()) == []


def ready_on(platform: Platform) -> set[str]:
    found = platform.ask(lambda services: services.scheduler.items("/api/v1/model-files"))
    return {files["node_id"] for files in found if files["state"] == "ready"}


@pytest.mark.contract("A10")
async def test_a_node_that_joins_copies_from_the_first(first: Platform, hub: HubServer, tmp_path: Path) -> None:
    first.command("models", "add", "smol", "--from", "hf:acme/smol", "--file", "*Q4_1.gguf")
    first.command("files", "fetch", "smol", "--all")
    (owner,) = ready_on(first)
    sent = hub.sent_bytes()

    with second_host(first, tmp_path / "second") as node_id:
        await until(lambda: ready_on(first) == {owner, node_id}, within_s=90, what="both nodes have the files")
        assert hub.sent_bytes() == sent
        first.command("deploy", "smol", "--node", node_id, "--set", "context=512", "--wait")
        (replica,) = first.replicas()
        assert replica["node_id"] == node_id

        kept = json.loads(first.command("files", "clean", "--all", "--unused-for", "0s", "--yes", "--output", "json"))
        assert kept == []
        first.command("files", "rm", "smol")
        await until(
            lambda: ready_on(first) == {node_id}, within_s=30, what="only the node that uses them has the files"
        )
        first.command("deployments", "stop", "smol")
        await until(lambda: ready_on(first) == set(), within_s=60, what="nobody uses them: they are gone")
