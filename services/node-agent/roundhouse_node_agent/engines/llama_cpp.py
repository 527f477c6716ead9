"""llama.cpp, through the `xllamacpp` wheel and our own runner (`xllamacpp_runner.py`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.sizing.settings import settings_of
from roundhouse_node_agent.domain.engine_run import PORT_IN_USE, Diagnosis
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.diagnosis import diagnose
from roundhouse_node_agent.engines.engine import Command, Ending, Probes, RenderOrder
from roundhouse_node_agent.engines.llama_family import LLAMA_FEATURES, LLAMA_METRICS, LLAMA_RULES
from roundhouse_node_agent.engines.rendering import KEY_VARIABLE, chat_template, package_version, visible_devices
from roundhouse_node_agent.engines.stated import StatedEngine

__all__ = ["LlamaCpp"]

_RUNNER = Path(__file__).with_name("xllamacpp_runner.py")
_ALL_LAYERS = "999"
_RUNNER_SAYS = "[runner] "

_BY_CODE = {
    2: ("bad_parameters", "the engine refused its parameters"),
    3: ("model_missing", "the model's file is not on this node any more"),
    4: ("model_unloadable", "the model could not be loaded; the engine's last lines say why"),
    5: (PORT_IN_USE, "its port was taken by another program"),
    6: ("broken_environment", "the engine (xllamacpp) is not properly installed on this node"),
}


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000_000


def _is_layers(text: str) -> bool:
    return text == "auto" or (text.isascii() and text.isdigit())


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter a user may set, the runner's option for it, and what it may be."""

    option: str
    is_valid: Callable[[str], bool]
    wanted: str


_POOLING = ("none", "mean", "cls", "last", "rank")
_CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1")
_PARAMETERS: Mapping[str, _Parameter] = {
    "parallel": _Parameter("--parallel", _is_count, "a number of requests from 1 on"),
    "context": _Parameter("--context", _is_count, "a number of tokens per request from 1 on"),
    "threads": _Parameter("--threads", _is_count, "a number of threads from 1 on"),
    "batch": _Parameter("--batch", _is_count, "a number of tokens from 1 on"),
    "gpu_layers": _Parameter("--gpu-layers", _is_layers, "a number of layers, or auto"),
    "pooling": _Parameter("--pooling", _POOLING.__contains__, f"one of {', '.join(_POOLING)}"),
    "cache_type": _Parameter("--cache-type", _CACHE_TYPES.__contains__, f"one of {', '.join(_CACHE_TYPES)}"),
    "prompt_cache_mib": _Parameter("--prompt-cache-mib", str.isdigit, "a size in MiB; 0 keeps none"),
    "chat_template_file": _Parameter("--chat-template-file", lambda path: path.startswith("/"), "an absolute path"),
}


class LlamaCpp(StatedEngine):
    """The runtime's interpreter has xllamacpp in its environment; it need not be the agent's."""

    kind = EngineKind.LLAMA_CPP.value
    features = LLAMA_FEATURES
    metric_names = LLAMA_METRICS
    rules = LLAMA_RULES

    def __init__(self, *, runner: Path = _RUNNER) -> None:
        self._runner = runner

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "xllamacpp")

    def cannot_run(self, version: VersionSpec) -> str | None:
        if version.model_kind not in (ModelKind.CHAT, ModelKind.COMPLETION, ModelKind.EMBEDDING, ModelKind.RERANK):
            return f"llama.cpp does not serve models of kind {version.model_kind.value}"
        for name, value in version.parameters.items():
            parameter = _PARAMETERS.get(name)
            if parameter is None:
                return f"llama.cpp has no parameter {name}; it has {', '.join(sorted(_PARAMETERS))}"
            if not parameter.is_valid(value):
                return f"parameter {name} is {value!r}, which is not {parameter.wanted}"
        return None

    def render(self, order: RenderOrder) -> Command:
        version = order.version
        settings = settings_of(
            EngineKind.LLAMA_CPP,
            version.parameters,
            context_length=version.context_length,
            model_kind=version.model_kind,
        )
        template, files = chat_template(order)
        given = {
            "parallel": str(settings.concurrency),
            "context": str(settings.context_tokens),
            "threads": "1",
            "gpu_layers": _ALL_LAYERS if order.devices else "0",
            **({"pooling": "rank"} if version.model_kind is ModelKind.RERANK else {}),
            **version.parameters,
            **template,
        }
        argv = [order.runtime.python, "-I", "-u", str(self._runner), "--model", order.model_path]
        argv += ["--alias", order.served_name, "--host", order.host, "--port", str(order.port)]
        for name, parameter in _PARAMETERS.items():
            if name in given:
                argv += [parameter.option, given[name]]
        if version.model_kind in (ModelKind.EMBEDDING, ModelKind.RERANK):
            argv.append("--embedding")
        return Command(argv=tuple(argv), env={KEY_VARIABLE: order.api_key, **visible_devices(order)}, files=files)

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        return Probes(readiness="/health", metrics="/metrics")

    def diagnose(self, ending: Ending) -> Diagnosis:
        found = diagnose(ending, LLAMA_RULES)
        if found.kind == "unknown" and ending.code in _BY_CODE:
            kind, summary = _BY_CODE[ending.code]
            said = next((line for line in reversed(ending.lines) if line.startswith(_RUNNER_SAYS)), "")
            return Diagnosis(kind=kind, summary=f"{summary}{said and f' ({said})'}", lines=found.lines)
        return found
