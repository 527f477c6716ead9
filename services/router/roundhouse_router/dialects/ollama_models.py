"""What Ollama's API says of models: `/api/tags`, `/api/show`, `/api/ps`, `/api/version`, and the refusal to change any.

Views of the routes that a key may use. What a router does not know of a model (its size, its parameters) is 0 or empty.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.contracts.routing import RouteRecord
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.runtime import UnixTime
from roundhouse_router.dialects.ollama_answers import as_time
from roundhouse_router.domain.errors import BadBody, ModelsManaged
from roundhouse_router.domain.features import ROUTABLE

__all__ = ["MANAGED", "RUNNING_TEXT", "list_running", "list_tags", "model_to_show", "refuse_change", "show", "version"]

RUNNING_TEXT: Final = b"Ollama is running"
"""The answer to `GET /`: clients look for an Ollama server by it."""
MANAGED: Final = ("/api/pull", "/api/push", "/api/create", "/api/delete", "/api/copy", "/api/blobs")
"""Paths, and beginnings of paths, that change models."""

_API_VERSION: Final = "0.12.11"
"""Whose API this is: clients ask whether the server is new enough for what they want to send."""
_FOREVER: Final = "2318-01-01T00:00:00Z"
"""Nothing unloads a model here because it was not asked for five minutes."""
_GGUF: Final = frozenset({EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER})
_CAPABILITIES: Final = {ModelKind.CHAT: ("completion", "tools"), ModelKind.EMBEDDING: ("embedding",)}
"""A chat's tools are passed on; whether a model was taught to use them is not known here."""

Deployments = Mapping[str, DeploymentEndpoints]


class _Named(msgspec.Struct):
    model: str | None = None
    name: str | None = None
    """The same in older clients."""


def list_tags(routes: Iterable[RouteRecord], deployments: Deployments) -> bytes:
    """Return the models that a client may name. Patterns are none of them."""
    models = [
        {**_named(route), "modified_at": _made(route), **_described(route, deployments)}
        for route in routes
        if "*" not in route.name
    ]
    return msgspec.json.encode({"models": models})


def list_running(routes: Iterable[RouteRecord], deployments: Deployments) -> bytes:
    """Return the models that have a replica ready."""
    models = []
    for route in routes:
        ready = [deployment for deployment in _led_to(route, deployments) if _is_ready(deployment)]
        if ready and "*" not in route.name:
            context = max(deployment.context_tokens for deployment in ready)
            state = {"expires_at": _FOREVER, "size_vram": 0, "context_length": context}
            models.append({**_named(route), **_described(route, deployments), **state})
    return msgspec.json.encode({"models": models})


def model_to_show(body: bytes) -> str:
    """Return the model that `/api/show` is asked for. Raises BadBody."""
    try:
        named = msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(f"The body is not valid JSON: {error}", code="invalid_json") from None
    model = named.model or named.name
    if not model:
        raise BadBody("A model is required.", param="model", code="missing_required_parameter")
    return model


def show(route: RouteRecord, deployments: Deployments) -> bytes:
    """Return what is known of one model."""
    led_to = _led_to(route, deployments)
    info: dict[str, str | int] = {"general.architecture": "model"}
    context = max((deployment.context_tokens for deployment in led_to), default=0)
    if context:
        info["model.context_length"] = context
    if led_to and led_to[0].model_name:
        info["general.basename"] = led_to[0].model_name
    document = {
        "modelfile": f"# Served under the name {route.name}; its files are managed by the platform.",
        "parameters": "",
        "template": "",
        "license": "",
        "details": _details(route, deployments),
        "model_info": info,
        "capabilities": _CAPABILITIES.get(route.model_kind, ("completion",)),
        "modified_at": _made(route),
    }
    return msgspec.json.encode(document)


def version() -> bytes:
    return msgspec.json.encode({"version": _API_VERSION})


def refuse_change(path: str) -> ModelsManaged:
    """Return the error for a path of `MANAGED`."""
    return ModelsManaged(
        f"{path} is not offered here: models are managed by the platform. "
        "Deploy a model in its console or API; it is then listed by /api/tags."
    )


# Any: members of a JSON document that is only put together here.
def _named(route: RouteRecord) -> dict[str, Any]:
    return {"name": route.name, "model": route.name}


def _described(route: RouteRecord, deployments: Deployments) -> dict[str, Any]:
    digest = hashlib.sha256(route.route_id.encode()).hexdigest()
    return {"size": 0, "digest": digest, "details": _details(route, deployments)}


def _details(route: RouteRecord, deployments: Deployments) -> dict[str, Any]:
    engines = {endpoint.engine for deployment in _led_to(route, deployments) for endpoint in deployment.endpoints}
    kind = "" if not engines else "gguf" if engines <= _GGUF else "safetensors"
    return {
        "parent_model": "",
        "format": kind,
        "family": "",
        "families": [],
        "parameter_size": "",
        "quantization_level": "",
    }


def _led_to(route: RouteRecord, deployments: Deployments) -> list[DeploymentEndpoints]:
    found = (deployments.get(target.deployment_id) for target in route.targets)
    return [deployment for deployment in found if deployment is not None]


def _is_ready(deployment: DeploymentEndpoints) -> bool:
    return any(endpoint.state in ROUTABLE for endpoint in deployment.endpoints)


def _made(route: RouteRecord) -> str:
    return as_time(UnixTime(route.created_at))
