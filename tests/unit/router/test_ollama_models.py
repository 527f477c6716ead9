"""Routes as Ollama's clients see models."""

import json
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.routing import ApiKeyRecord, RouteRecord, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint, EndpointState
from roundhouse_router.dialects.ollama import known_name
from roundhouse_router.dialects.ollama_models import (
    MANAGED,
    list_running,
    list_tags,
    model_to_show,
    refuse_change,
    show,
    version,
)
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.route_table import by_name
from roundhouse_router.domain.tables import RoutingTable

pytestmark = pytest.mark.contract("D11")


def route(name: str = "tiny", kind: ModelKind = ModelKind.CHAT) -> RouteRecord:
    return RouteRecord(
        route_id=f"rt_{name}",
        name=name,
        tenant_id="t",
        targets=(RouteTarget(deployment_id="d1"),),
        model_kind=kind,
        created_at=1_800_000_000.5,
    )


def deployments(state: EndpointState = EndpointState.READY) -> dict[str, DeploymentEndpoints]:
    endpoint = Endpoint(
        replica_id="r1",
        node_id="n1",
        base_url="http://127.0.0.1:1",
        served_model="x",
        engine_api_key="",
        state=state,
        engine=EngineKind.LLAMA_CPP,
    )
    found = DeploymentEndpoints(
        deployment_id="d1",
        deployment_name="tiny",
        tenant_id="t",
        model_name="smollm2",
        model_kind=ModelKind.CHAT,
        revision=1,
        endpoints=(endpoint,),
        context_tokens=2048,
    )
    return {"d1": found}


def models(document: bytes) -> list[Any]:  # Any: JSON
    found = json.loads(document)["models"]
    assert isinstance(found, list)
    return found


def test_tags_are_the_names_that_may_be_sent() -> None:
    (shown,) = models(list_tags([route(), route("any-*")], deployments()))
    assert (shown["name"], shown["model"], shown["size"]) == ("tiny", "tiny", 0)
    assert shown["modified_at"] == "2027-01-15T08:00:00.500000Z"
    assert shown["details"]["format"] == "gguf"
    assert len(shown["digest"]) == 64


def test_running_are_those_with_a_replica() -> None:
    (shown,) = models(list_running([route()], deployments()))
    assert shown["context_length"] == 2048
    assert models(list_running([route()], deployments(EndpointState.DRAINING))) == []
    assert models(list_running([route()], {})) == []


def test_show() -> None:
    shown = json.loads(show(route(), deployments()))
    assert shown["capabilities"] == ["completion", "tools"]
    assert shown["model_info"] == {
        "general.architecture": "model",
        "model.context_length": 2048,
        "general.basename": "smollm2",
    }
    assert json.loads(show(route(kind=ModelKind.EMBEDDING), {}))["capabilities"] == ["embedding"]


def test_which_model_is_to_be_shown() -> None:
    assert model_to_show(b'{"model":"a"}') == model_to_show(b'{"name":"a"}') == "a"
    for body in (b"", b"{}", b'{"model":1}', b"[" * 5000):
        with pytest.raises(BadBody):
            model_to_show(body)


def test_latest_is_a_name_that_clients_add() -> None:
    key = ApiKeyRecord(key_id="k", sha256="", name="k", tenant_id="t", user_id="u")
    table = RoutingTable(routes=by_name([route("tiny"), route("big:latest"), route("any-*")]))
    asked = ["tiny:latest", "big:latest", "tiny", "tiny:7b", "any-x:latest", "nope:latest"]
    assert [known_name(table, key, name) for name in asked] == [
        "tiny",
        "big:latest",
        "tiny",
        "tiny:7b",
        "any-x:latest",
        "nope",
    ]


def test_models_are_changed_elsewhere() -> None:
    error = refuse_change("/api/pull")
    assert error.status == 403
    assert "managed by the platform" in error.message
    assert "/api/pull" in MANAGED
    assert json.loads(version())["version"].count(".") == 2
