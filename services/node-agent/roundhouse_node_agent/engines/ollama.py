"""Ollama: its server with a store of its own for this run, the model created in it from the files on the node."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.llama_family import LLAMA_RULES
from roundhouse_node_agent.engines.rendering import visible_devices
from roundhouse_node_agent.engines.serving import TEXT_KINDS, parameter_fault, settings_of_version
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Ollama"]

_KIND: Final = EngineKind.OLLAMA
_RUNNER: Final = Path(__file__).with_name("steps_runner.py")
_LOADING: Final = "roundhouse-loading"
_ALIVE_WITHIN_S: Final = 60
_LOADED_WITHIN_S: Final = 3600
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES, Feature.MESSAGES}),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS}),
        ModelKind.EMBEDDING: frozenset({Feature.EMBEDDINGS}),
    }
)


class Ollama(StatedEngine):
    """The name that is asked for exists only once the model is loaded. It has no key and no metrics."""

    kind = _KIND.value
    features = _FEATURES
    rules = LLAMA_RULES

    def __init__(self, *, runner: Path = _RUNNER, python: str = sys.executable) -> None:
        self._runner = runner
        self._python = python

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return (runtime.program, "--version")

    def cannot_run(self, version: VersionSpec) -> str | None:
        return parameter_fault(_KIND, version, TEXT_KINDS | {ModelKind.EMBEDDING})

    def render(self, order: RenderOrder) -> Command:
        given = order.version.parameters
        settings = settings_of_version(_KIND, order.version)
        program, url = order.runtime.program_of("ollama"), f"http://{order.host}:{order.port}"
        is_embedding = order.version.model_kind is ModelKind.EMBEDDING
        asked = {"input": "x"} if is_embedding else {"stream": False}
        plan = {
            "serve": [program, "serve"],
            "alive": f"{url}/api/version",
            "alive_within_s": _ALIVE_WITHIN_S,
            "steps": [
                {"run": [program, "create", _LOADING, "-f", f"{order.directory}/Modelfile"]},
                {
                    "post": f"{url}/api/{'embed' if is_embedding else 'generate'}",
                    "body": {"model": _LOADING, "keep_alive": -1, **asked},
                    "within_s": _LOADED_WITHIN_S,
                },
                {
                    "post": f"{url}/api/copy",
                    "body": {"source": _LOADING, "destination": order.served_name},
                    "within_s": _ALIVE_WITHIN_S,
                },
            ],
        }
        env = {
            "OLLAMA_HOST": f"{order.host}:{order.port}",
            "OLLAMA_MODELS": f"{order.directory}/store",
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_MAX_LOADED_MODELS": "1",
            "OLLAMA_NOPRUNE": "1",
            "OLLAMA_NUM_PARALLEL": str(settings.concurrency),
            "OLLAMA_CONTEXT_LENGTH": str(settings.context_tokens),
            **({"OLLAMA_MAX_QUEUE": given["queue"]} if "queue" in given else {}),
            **({"OLLAMA_KV_CACHE_TYPE": given["cache_type"]} if "cache_type" in given else {}),
            **({"OLLAMA_FLASH_ATTENTION": "1"} if given.get("flash_attention") == "true" else {}),
            **visible_devices(order),
        }
        return Command(
            argv=(self._python, "-I", "-u", str(self._runner), f"{order.directory}/plan.json"),
            env=env,
            files={"plan.json": json.dumps(plan, indent=1), "Modelfile": _modelfile(order)},
        )

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness=f"/v1/models/{served_name}", metrics="")


def _modelfile(order: RenderOrder) -> str:
    given = order.version.parameters
    lines = [f"FROM {order.model_path}"]
    layers = given.get("gpu_layers", "auto" if order.devices else "0")
    if layers != "auto":
        lines.append(f"PARAMETER num_gpu {layers}")
    if "threads" in given:
        lines.append(f"PARAMETER num_thread {given['threads']}")
    return "\n".join(lines) + "\n"
