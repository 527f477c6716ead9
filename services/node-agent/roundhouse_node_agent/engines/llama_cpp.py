"""llama.cpp, through the `xllamacpp` wheel and our own runner (`xllamacpp_runner.py`)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_common.sizing.settings import settings_of
from roundhouse_node_agent.domain.engine_run import PORT_IN_USE, Diagnosis, EngineSample
from roundhouse_node_agent.engines.diagnosis import COMMON_RULES, Rule, diagnose
from roundhouse_node_agent.engines.engine import Command, Ending, RenderOrder

__all__ = ["API_KEY_VARIABLE", "LlamaCpp"]

API_KEY_VARIABLE = "ROUNDHOUSE_ENGINE_API_KEY"
_RUNNER = Path(__file__).with_name("xllamacpp_runner.py")
_ALL_LAYERS = "999"

_RULES = (
    Rule(
        "model_missing",
        re.compile(r"model file (?P<path>\S+) is not there|failed to open GGUF file '(?P<gguf>[^']+)'"),
        "the model's file is not on this node any more",
    ),
    Rule(
        "model_corrupt",
        re.compile(
            r"model is corrupted or incomplete|invalid magic characters|gguf_init_from_\w+: failed to read|"
            r"tensor '.*' data is not within the file bounds|wrong number of tensors|invalid GGUF"
        ),
        "the model's file is damaged or not a GGUF file; fetch it again and compare its checksum",
    ),
    Rule(
        "unsupported_architecture",
        re.compile(r"unknown model architecture: '(?P<architecture>[^']+)'"),
        "this version of llama.cpp does not know the architecture {architecture}; use a newer engine or another one",
    ),
    Rule(
        PORT_IN_USE,
        re.compile(r"couldn't bind HTTP server socket|port \d+ is in use"),
        "its port was taken by another program",
    ),
    Rule(
        "out_of_memory",
        re.compile(r"unable to allocate .* buffer|failed to allocate|failed to create context|failed to fit params"),
        "memory ran out while the model was loaded; ask for a shorter context or fewer parallel requests, or use a"
        " larger node",
    ),
    Rule(
        "bad_chat_template",
        re.compile(r"(?P<what>(failed to parse chat template|chat template).*(error|invalid|not valid|failed).*)"),
        "the chat template cannot be used: {what}",
    ),
    *COMMON_RULES,
)
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


class LlamaCpp:
    """`python` is the interpreter whose environment has xllamacpp; it need not be the agent's."""

    kind = EngineKind.LLAMA_CPP.value
    readiness_path = "/health"
    metrics_path = "/metrics"

    def __init__(self, python: str, *, runner: Path = _RUNNER) -> None:
        self._python = python
        self._runner = runner

    def availability_command(self) -> tuple[str, ...]:
        check = "import importlib.util, sys; sys.exit(importlib.util.find_spec('xllamacpp') is None)"
        return (self._python, "-I", "-c", check)

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
        given = {
            "parallel": str(settings.concurrency),
            "context": str(settings.context_tokens),
            "threads": "1",
            "gpu_layers": _ALL_LAYERS if order.devices else "0",
            **({"pooling": "rank"} if version.model_kind is ModelKind.RERANK else {}),
            **version.parameters,
        }
        argv = [self._python, "-I", "-u", str(self._runner), "--model", order.model_path]
        argv += ["--alias", order.served_name, "--host", order.host, "--port", str(order.port)]
        for name, parameter in _PARAMETERS.items():
            if name in given:
                argv += [parameter.option, given[name]]
        if version.model_kind in (ModelKind.EMBEDDING, ModelKind.RERANK):
            argv.append("--embedding")
        return Command(argv=tuple(argv), env={API_KEY_VARIABLE: order.api_key, **_visible_devices(order)})

    def sample(self, metrics: Mapping[str, float]) -> EngineSample | None:
        running = metrics.get("llamacpp:requests_processing")
        waiting = metrics.get("llamacpp:requests_deferred")
        if running is None or waiting is None:
            return None
        return EngineSample(
            running=int(running),
            waiting=int(waiting),
            input_tokens_total=metrics.get("llamacpp:prompt_tokens_total", 0.0),
            output_tokens_total=metrics.get("llamacpp:tokens_predicted_total", 0.0),
        )

    def diagnose(self, ending: Ending) -> Diagnosis:
        found = diagnose(ending, _RULES)
        if found.kind == "unknown" and ending.code in _BY_CODE:
            kind, summary = _BY_CODE[ending.code]
            return Diagnosis(kind=kind, summary=summary, lines=found.lines)
        return found


def _visible_devices(order: RenderOrder) -> dict[str, str]:
    """Name exactly the devices it may use. Empty hides all: unset would show all."""
    nvidia = [device.uuid for device in order.devices if device.vendor is DeviceVendor.NVIDIA]
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(nvidia)}
