"""Parameters of the servers that are told everything by flags: vLLM, SGLang, LMDeploy, llama-server."""

from dataclasses import replace
from typing import Final

from roundhouse_common.engine_parameters.shapes import FLAG, Shape, absolute_path, decimal, layers, one_of, whole_number
from roundhouse_common.engine_parameters.shapes import word as any_word
from roundhouse_common.engine_parameters.table import EngineParameter, EngineTable

__all__ = ["CONTEXT", "LLAMA_SERVER", "LMDEPLOY", "SGLANG", "TEMPLATE_FILE", "TRUST_REMOTE_CODE", "VLLM"]

_DOCS: Final[dict[str, tuple[str, Shape]]] = {
    "context": ("Tokens of context for each request.", whole_number(1, 10_000_000)),
    "parallel": ("Requests answered at the same time.", whole_number(1, 4096)),
    "tensor_parallel": ("Devices that share each layer. Without it, those of one node.", whole_number(1, 1024)),
    "pipeline_parallel": ("Stages that share the layers. Without it, one for each node.", whole_number(1, 64)),
    "queue": ("Requests that may wait; more are refused.", whole_number(0, 1_000_000)),
    "batch": ("Tokens computed at once.", whole_number(1, 1_000_000)),
    "dtype": ("Number format of the weights.", one_of("auto", "bfloat16", "float16", "float32")),
    "memory_share": ("Share of each device's memory. Without it, what the need says.", decimal(0.05, 0.98)),
    "prefix_cache": ("Whether the states of earlier prompts are kept.", FLAG),
    "eager": ("Start sooner and answer slower: no graphs are captured.", FLAG),
    "chat_template_file": ("Absolute path on the node of a Jinja template in place of the model's own.", absolute_path),
    "tool_parser": (
        "How the model writes tool calls: auto, a family such as qwen3, or a name of the engine's.",
        any_word,
    ),
    "reasoning_parser": (
        "How the model writes its reasoning: auto, a family such as qwen3, or a name of the engine's.",
        any_word,
    ),
    "trust_remote_code": ("Whether code that comes with the model may run.", FLAG),
    "seed": ("Start of the random numbers.", whole_number(0, 2_147_483_647)),
    "threads": ("CPU threads.", whole_number(1, 1024)),
    "gpu_layers": ("Layers put on the devices, or auto.", layers),
    "pooling": ("How token embeddings become one.", one_of("none", "mean", "cls", "last", "rank")),
    "prompt_cache_mib": ("MiB for the states of earlier prompts; 0 keeps none.", whole_number(0, 1_048_576)),
}
_CACHE_DOC: Final = "Number format of the KV cache."
_QUANTIZATION_DOC: Final = "Method, where the files do not say it."


def _named(name: str, flag: str = "", *aliases: str, off: str = "") -> EngineParameter:
    doc, shape = _DOCS[name]
    return EngineParameter(doc=doc, shape=shape, flag=flag, off=off, aliases=aliases)


CONTEXT: Final = _named("context")
TEMPLATE_FILE: Final = _named("chat_template_file")
TRUST_REMOTE_CODE: Final = _named("trust_remote_code")

_SSL: Final = ("--ssl-", "--enable-ssl-refresh")

VLLM: Final = EngineTable(
    passes_flags=True,
    owned=(
        "--host",
        "--port",
        "--api-key",
        "--served-model-name",
        "--model",
        "--config",
        "--uds",
        "--root-path",
        "--headless",
        "--nnodes",
        "--node-rank",
        "--master-addr",
        "--master-port",
        "--runner",
        "--enable-auto-tool-choice",
        "--no-enable-auto-tool-choice",
        "--device-ids",
        "--disable-log-stats",
        "--grpc",
        *_SSL,
    ),
    parameters={
        "context": _named("context", "--max-model-len"),
        "parallel": _named("parallel", "--max-num-seqs"),
        "tensor_parallel": _named("tensor_parallel", "--tensor-parallel-size", "-tp"),
        "pipeline_parallel": _named("pipeline_parallel", "--pipeline-parallel-size", "-pp"),
        "queue": _named("queue", "--max-num-queued-reqs"),
        "batch": _named("batch", "--max-num-batched-tokens"),
        "dtype": _named("dtype", "--dtype"),
        "memory_share": _named("memory_share", "--gpu-memory-utilization", "--device-memory-utilization"),
        "prefix_cache": _named("prefix_cache", "--enable-prefix-caching", off="--no-enable-prefix-caching"),
        "eager": _named("eager", "--enforce-eager", off="--no-enforce-eager"),
        "chat_template_file": _named("chat_template_file", "--chat-template"),
        "tool_parser": _named("tool_parser", "--tool-call-parser"),
        "reasoning_parser": _named("reasoning_parser", "--reasoning-parser"),
        "trust_remote_code": _named("trust_remote_code", "--trust-remote-code", off="--no-trust-remote-code"),
        "seed": _named("seed", "--seed"),
        "cache_type": EngineParameter(
            doc=_CACHE_DOC, shape=one_of("bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"), flag="--kv-cache-dtype"
        ),
        "quantization": EngineParameter(
            doc=_QUANTIZATION_DOC,
            shape=one_of("awq", "gptq", "fp8", "compressed-tensors", "torchao", "quark", "mxfp4", "modelopt", "inc"),
            flag="--quantization",
        ),
    },
)

SGLANG: Final = EngineTable(
    passes_flags=True,
    owned=(
        "--host",
        "--port",
        "--api-key",
        "--admin-api-key",
        "--served-model-name",
        "--model-path",
        "--model",
        "--config",
        "--nnodes",
        "--node-rank",
        "--dist-init-addr",
        "--nccl-init-addr",
        "--is-embedding",
        "--enable-metrics",
        "--fastapi-root-path",
        "--grpc-",
        "--smg-",
        "--device",
        "--base-gpu-id",
        *_SSL,
    ),
    parameters={
        "context": _named("context", "--context-length"),
        "parallel": _named("parallel", "--max-running-requests"),
        "tensor_parallel": _named("tensor_parallel", "--tp-size", "--tensor-parallel-size", "--tp"),
        "pipeline_parallel": _named("pipeline_parallel", "--pp-size", "--pipeline-parallel-size", "--pp"),
        "queue": _named("queue", "--max-queued-requests"),
        "batch": _named("batch", "--chunked-prefill-size"),
        "dtype": _named("dtype", "--dtype"),
        "memory_share": _named("memory_share", "--mem-fraction-static"),
        "prefix_cache": _named("prefix_cache", off="--disable-radix-cache"),
        # 0.5.23 calls it deprecated; its successor is not known to older versions.
        "eager": _named("eager", "--disable-cuda-graph"),
        "chat_template_file": _named("chat_template_file", "--chat-template"),
        "tool_parser": _named("tool_parser", "--tool-call-parser"),
        "reasoning_parser": _named("reasoning_parser", "--reasoning-parser"),
        "trust_remote_code": _named("trust_remote_code", "--trust-remote-code"),
        "seed": _named("seed", "--random-seed"),
        "cache_type": EngineParameter(
            doc=_CACHE_DOC, shape=one_of("bfloat16", "fp8_e4m3", "fp8_e5m2"), flag="--kv-cache-dtype"
        ),
        "quantization": EngineParameter(
            doc=_QUANTIZATION_DOC,
            shape=one_of("awq", "gptq", "fp8", "compressed-tensors", "bitsandbytes", "gguf", "modelopt", "w8a8_int8"),
            flag="--quantization",
        ),
    },
)

LMDEPLOY: Final = EngineTable(
    passes_flags=True,
    owned=(
        "--server-name",
        "--server-port",
        "--api-keys",
        "--model-name",
        "--proxy-url",
        "--nnodes",
        "--node-rank",
        "--dist-init-addr",
        "--disable-metrics",
        "--allow-terminate-by-client",
        "--device",
        "--ssl",
    ),
    parameters={
        "context": _named("context", "--session-len"),
        "parallel": _named("parallel", "--max-batch-size"),
        "tensor_parallel": _named("tensor_parallel", "--tp"),
        "batch": _named("batch", "--max-prefill-token-num"),
        "dtype": replace(_named("dtype", "--dtype"), shape=one_of("auto", "bfloat16", "float16")),
        "memory_share": replace(
            _named("memory_share", "--cache-max-entry-count"),
            doc="Share of the memory left beside the weights that the KV cache gets. Without it, what the need says.",
        ),
        "prefix_cache": _named("prefix_cache", "--enable-prefix-caching"),
        "eager": _named("eager", "--eager-mode"),
        # Its flag takes no Jinja: the driver makes what it takes.
        "chat_template_file": _named("chat_template_file", "", "--chat-template"),
        "tool_parser": _named("tool_parser", "--tool-call-parser"),
        "reasoning_parser": _named("reasoning_parser", "--reasoning-parser"),
        "trust_remote_code": _named("trust_remote_code", "--trust-remote-code"),
        "cache_type": EngineParameter(
            doc=_CACHE_DOC, shape=one_of("int8", "int4"), flag="--quant-policy", values={"int8": "8", "int4": "4"}
        ),
        "quantization": EngineParameter(
            doc=_QUANTIZATION_DOC,
            shape=one_of("awq", "gptq", "fp8", "compressed-tensors", "mxfp4"),
            flag="--model-format",
        ),
        "backend": EngineParameter(
            doc="Which of its two engines runs.", shape=one_of("turbomind", "pytorch"), flag="--backend"
        ),
    },
)

LLAMA_SERVER: Final = EngineTable(
    passes_flags=True,
    owned=(
        "--host",
        "--port",
        "--api-key",
        "--api-key-file",
        "--api-prefix",
        "--alias",
        "--model",
        "--model-url",
        "--models-",
        "--hf-",
        "--metrics",
        "--slots",
        "--no-slots",
        "--embeddings",
        "--embedding",
        "--rerank",
        "--reranking",
        "--ssl-",
    ),
    parameters={
        "parallel": replace(_named("parallel", "--parallel"), shape=whole_number(1, 256)),
        "context": _named("context", "", "--ctx-size"),
        "threads": _named("threads", "--threads"),
        "batch": _named("batch", "--batch-size"),
        "gpu_layers": _named("gpu_layers", "--n-gpu-layers", "--gpu-layers"),
        "pooling": _named("pooling", "--pooling"),
        "cache_type": EngineParameter(
            doc=_CACHE_DOC,
            shape=one_of("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"),
            aliases=("--cache-type-k", "--cache-type-v"),
        ),
        "prompt_cache_mib": _named("prompt_cache_mib", "--cache-ram"),
        "chat_template_file": _named("chat_template_file", "--chat-template-file"),
        "reasoning_parser": replace(
            _named("reasoning_parser", "--reasoning-format"), doc="How reasoning is sent, by its name for it."
        ),
        "seed": _named("seed", "--seed"),
    },
)
