"""Any engine: the version states the command, where readiness is asked for, and which metrics are what."""

import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_common.words import did_you_mean, quoted
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineSample
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.diagnosis import COMMON_RULES, diagnose
from roundhouse_node_agent.engines.engine import Command, Ending, Feature, Probes, RenderOrder
from roundhouse_node_agent.engines.metric_names import MetricNames
from roundhouse_node_agent.engines.rendering import KEY_VARIABLE, visible_devices
from roundhouse_node_agent.engines.serving import template_fault

__all__ = ["Custom"]

_KIND: Final = EngineKind.CUSTOM
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NAMES: Final = (
    "model_path",
    "served_name",
    "host",
    "port",
    "address",
    "api_key_env",
    "devices",
    "device_count",
    "context_length",
    "directory",
    "rank",
    "node_count",
    "head_address",
    "head_port",
)
_SECRET: Final = "api_key"
"""Only in the environment: other users of the machine can read arguments."""
_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: frozenset({Feature.CHAT}),
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS}),
        ModelKind.EMBEDDING: frozenset({Feature.EMBEDDINGS}),
        ModelKind.RERANK: frozenset({Feature.RERANK}),
        ModelKind.TRANSCRIPTION: frozenset({Feature.TRANSCRIPTIONS}),
    }
)


class Custom:
    """The command is split as a shell would, and no shell runs it: a placeholder's value is always one word."""

    kind = _KIND.value

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return ()

    def cannot_run(self, version: VersionSpec) -> str | None:
        table, given = TABLES[_KIND], version.parameters
        for name, value in given.items():
            if (fault := table.fault(_KIND.value, name, value)) is not None:
                return f"parameter {name}: {fault}" if name in table.parameters else fault
        for name in ("command", "readiness_path"):
            if name not in given:
                return f"parameter {name} is missing; a custom engine needs command and readiness_path"
        return (
            _words_fault("command", given["command"], _NAMES)
            or _words_fault("environment", given.get("environment", ""), (*_NAMES, _SECRET))
            or _variables_fault(given.get("environment", ""))
            or _port_fault(given)
            or _paths_fault(given)
            or _endpoints_fault(given.get("endpoints", ""))
            or template_fault(_KIND, version)
        )

    def render(self, order: RenderOrder) -> Command:
        given = order.version.parameters
        values = _values(order)
        argv = tuple(_fill(word, values) for word in shlex.split(given["command"]))
        env = {KEY_VARIABLE: order.api_key, **visible_devices(order)}
        for word in shlex.split(given.get("environment", "")):
            name, _, value = word.partition("=")
            env[name] = _fill(value, {**values, _SECRET: order.api_key})
        return Command(argv=argv, env=env)

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        if rank > 0:
            return Probes(readiness="", metrics="")
        given = version.parameters
        names = {"served_name": served_name}
        return Probes(
            readiness=_fill(given["readiness_path"], names), metrics=_fill(given.get("metrics_path", ""), names)
        )

    def capabilities(self, version: VersionSpec) -> frozenset[Feature]:
        stated = version.parameters.get("endpoints", "")
        if stated:
            return frozenset(Feature(name.strip()) for name in stated.split(","))
        return _FEATURES.get(version.model_kind, frozenset())

    def sample(self, metrics: Mapping[str, float], version: VersionSpec) -> EngineSample | None:
        given = version.parameters
        return MetricNames(
            running=given.get("metric_running", ""),
            waiting=given.get("metric_waiting", ""),
            kv_cache_usage=given.get("metric_cache_usage", ""),
            input_tokens=given.get("metric_input_tokens", ""),
            output_tokens=given.get("metric_output_tokens", ""),
        ).sample(metrics)

    def diagnose(self, ending: Ending) -> Diagnosis:
        return diagnose(ending, COMMON_RULES)


def _values(order: RenderOrder) -> Mapping[str, str]:
    gang = order.gang
    return {
        "model_path": order.model_path,
        "served_name": order.served_name,
        "host": order.host,
        "port": str(order.port),
        "address": order.address,
        "api_key_env": KEY_VARIABLE,
        "devices": ",".join(str(device.index) for device in order.devices),
        "device_count": str(len(order.devices)),
        "context_length": str(order.version.context_length),
        "directory": order.directory,
        "rank": str(order.rank),
        "node_count": str(gang.size if gang is not None else 1),
        "head_address": gang.address if gang is not None else order.address,
        "head_port": str(gang.port if gang is not None else order.port),
    }


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _words_fault(name: str, text: str, known: tuple[str, ...]) -> str | None:
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"parameter {name}: {quoted(text)} cannot be split into words: {error}"
    if name == "command" and not words:
        return "parameter command: there is no word in it"
    for placeholder in _PLACEHOLDER.findall(text):
        if placeholder == _SECRET and placeholder not in known:
            return (
                f"parameter {name}: {{{_SECRET}}} would show the key to other users of the machine; put it into"
                " environment, or use {api_key_env}, the name of the variable that has it"
            )
        if placeholder not in known:
            return (
                f"parameter {name}: {{{placeholder}}} is no placeholder; there are {', '.join(known)}."
                f"{did_you_mean(placeholder, known)}"
            )
    return None


def _variables_fault(environment: str) -> str | None:
    for word in shlex.split(environment):
        name, equals, _ = word.partition("=")
        if not equals or not _VARIABLE.fullmatch(name):
            return f"parameter environment: {quoted(word)} is not NAME=value"
    return None


def _port_fault(given: Mapping[str, str]) -> str | None:
    if "{port}" in given["command"] or "{port}" in given.get("environment", ""):
        return None
    return "parameter command: {port} is in neither command nor environment; the node picks a free port for each start"


def _paths_fault(given: Mapping[str, str]) -> str | None:
    for name in ("readiness_path", "metrics_path"):
        path = given.get(name, "/")
        if not path.startswith("/") or " " in path:
            return f"parameter {name}: {quoted(path)} found; a path that begins with / is wanted"
        unknown = [found for found in _PLACEHOLDER.findall(path) if found != "served_name"]
        if unknown:
            return f"parameter {name}: {{{unknown[0]}}} is no placeholder; there is served_name"
    if "metrics_path" in given and "metric_running" not in given:
        return "parameter metric_running is missing; without it metrics_path cannot tell when a drain is over"
    return None


def _endpoints_fault(endpoints: str) -> str | None:
    known = {feature.value for feature in Feature}
    for name in (one.strip() for one in endpoints.split(",") if endpoints):
        if name not in known:
            return f"parameter endpoints: {quoted(name)} found; there are {', '.join(sorted(known))}"
    return None
