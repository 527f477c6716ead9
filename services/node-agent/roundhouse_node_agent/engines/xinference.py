"""Xinference: a local cluster of one, and one model launched in it from the files on the node."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.engine import Command, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.rendering import OFFLINE, package_version, visible_devices
from roundhouse_node_agent.engines.serving import TEXT_KINDS, VECTOR_KINDS, parameter_fault
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["Xinference"]

_KIND: Final = EngineKind.XINFERENCE
_RUNNER: Final = Path(__file__).with_name("steps_runner.py")
_ALIVE_WITHIN_S: Final = 180
_TYPES: Final[Mapping[ModelKind, str]] = MappingProxyType(
    {
        ModelKind.CHAT: "LLM",
        ModelKind.COMPLETION: "LLM",
        ModelKind.EMBEDDING: "embedding",
        ModelKind.RERANK: "rerank",
    }
)
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES}),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS}),
        ModelKind.EMBEDDING: frozenset({Feature.EMBEDDINGS}),
        ModelKind.RERANK: frozenset({Feature.RERANK}),
    }
)


class Xinference(StatedEngine):
    """Its own accounts are switched off: it has no key here, so nothing but routers may reach its port."""

    kind = _KIND.value
    features = _FEATURES

    def __init__(self, *, runner: Path = _RUNNER, python: str = sys.executable) -> None:
        self._runner = runner
        self._python = python

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "xinference")

    def cannot_run(self, version: VersionSpec) -> str | None:
        fault = parameter_fault(_KIND, version, TEXT_KINDS | VECTOR_KINDS)
        if fault is not None:
            return fault
        needed = ("family", "backend", "format") if version.model_kind in TEXT_KINDS else ("family",)
        missing = [name for name in needed if name not in version.parameters]
        return f"parameter {missing[0]} is missing; xinference needs {', '.join(needed)}" if missing else None

    def render(self, order: RenderOrder) -> Command:
        given, url = order.version.parameters, f"http://{order.host}:{order.port}"
        launch: dict[str, object] = {
            "model_uid": order.served_name,
            "model_name": given["family"],
            "model_type": _TYPES[order.version.model_kind],
            "model_path": order.model_path,
            "n_gpu": len(order.devices) or None,
            "enable_virtual_env": False,  # else it installs packages of its own choice for each model
        }
        for name, theirs in (("backend", "model_engine"), ("format", "model_format"), ("quantization", "quantization")):
            if name in given:
                launch[theirs] = given[name]
        if "size_billions" in given:
            launch["model_size_in_billions"] = given["size_billions"].replace(".", "_")
        if "context" in given:
            launch["max_model_len" if given.get("backend") == "vllm" else "context_length"] = int(given["context"])
        plan = {
            "serve": [order.runtime.program_of("xinference-local"), "-H", order.host, "-p", str(order.port)],
            "alive": f"{url}/status",
            "alive_within_s": _ALIVE_WITHIN_S,
            "steps": [
                {"post": f"{url}/v1/models", "body": launch, "within_s": int(given.get("load_timeout_s", "3600"))}
            ],
        }
        env = {
            "XINFERENCE_HOME": f"{order.directory}/home",
            "XINFERENCE_AUTH_ADVANCED": "0",
            "XINFERENCE_ENABLE_VIRTUAL_ENV": "0",
            **OFFLINE,
            **visible_devices(order),
        }
        return Command(
            argv=(self._python, "-I", "-u", str(self._runner), f"{order.directory}/plan.json"),
            env=env,
            files={"plan.json": json.dumps(plan, indent=1)},
        )

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        # Asked for the model itself, it writes a page of errors into its log with every look until it is there.
        # What a model has in work is told only at a port of its worker, not among the metrics of this one.
        return Probes(readiness="/v1/models", ready_words=f'"id":"{served_name}"', metrics="")
