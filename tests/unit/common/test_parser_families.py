"""Which parsers a model needs: by its name where that is certain, and by each engine's name for them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.engine_parameters import TABLES
from roundhouse_common.engine_parameters.parsers import FAMILIES, family_of, with_parsers

VLLM, SGLANG, LMDEPLOY = EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY


@pytest.mark.contract("A11")
@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5"),
        ("Qwen/Qwen2.5-Coder-32B-Instruct-AWQ", "qwen2.5"),
        ("bartowski/Qwen_Qwen3-8B-GGUF", "qwen3"),
        ("/srv/models/qwen3-0.6b.Q4_K_M.gguf", "qwen3"),
        ("Qwen/Qwen3-30B-A3B", "qwen3"),
        ("Qwen/Qwen3-4B-Instruct-2507", "qwen3-instruct"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "qwen3-instruct"),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507", "qwen3-thinking"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen3-coder"),
        ("Qwen/QwQ-32B", "qwq"),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek-v3.2"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek-r1-distill"),
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "deepseek-r1-distill"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama-3"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8", "llama-3"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama-4"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes"),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral-instruct"),
        ("mistralai/Magistral-Small-2509", "magistral"),
        ("zai-org/GLM-4.5-Air", "glm-4.5"),
        ("zai-org/GLM-4.7-Flash", "glm-4.7"),
        ("moonshotai/Kimi-K2-Instruct-0905", "kimi-k2"),
        ("moonshotai/Kimi-K2-Thinking", "kimi-k2-thinking"),
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("internlm/internlm2_5-7b-chat", "internlm"),
        ("internlm/Intern-S1-FP8", "intern-s1"),
        ("MiniMaxAI/MiniMax-M2", "minimax-m2"),
        ("ibm-granite/granite-3.3-8b-instruct", "granite-3"),
        ("tencent/Hunyuan-A13B-Instruct", "hunyuan-a13b"),
    ],
)
def test_a_name_tells_its_family(name: str, family: str) -> None:
    assert family_of([name]) == family


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/srv/models/model.gguf",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "Qwen/Qwen3-8B-Base",
        "Qwen/Qwen3-Embedding-0.6B",
        "Qwen/Qwen3-VL-8B-Instruct",
        "Qwen/Qwen3.5-35B-A3B",
        "Qwen/Qwen2.5-7B",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "meta-llama/Llama-3.1-8B",
        "nvidia/Llama-3.1-Nemotron-70B-Instruct",
        "deepseek-ai/DeepSeek-V3.2-Exp",
        "deepseek-ai/DeepSeek-R1-Zero",
        "zai-org/GLM-4.5V",
        "mistralai/Mistral-7B-Instruct-v0.1",
        "moonshotai/Kimi-K2.5",
        "my-qwen3-8b",
    ],
)
def test_a_name_that_is_not_certain_tells_nothing(name: str) -> None:
    assert family_of([name]) == ""


def test_the_repository_counts_before_the_name_and_the_architecture_last() -> None:
    assert family_of(["Qwen/Qwen3-8B", "gpt-oss-20b"], "Llama4ForCausalLM") == "qwen3"
    assert family_of(["/models/a", "gpt-oss-20b"], "Llama4ForCausalLM") == "gpt-oss"
    assert family_of(["/models/a", "b"], "Llama4ForCausalLM") == "llama-4"
    assert family_of(["/models/a", "b"], "Qwen2ForCausalLM") == ""


@pytest.mark.contract("A11")
@pytest.mark.parametrize(
    ("engine", "stated", "family", "tools", "reasoning"),
    [
        (VLLM, "auto", "qwen3", "hermes", "qwen3"),
        (SGLANG, "auto", "qwen3", "qwen25", "qwen3"),
        (LMDEPLOY, "auto", "qwen3", "qwen3", "default"),
        (VLLM, "gpt-oss", "", "openai", "openai_gptoss"),
        (VLLM, "GPT-OSS", "qwen3", "openai", "openai_gptoss"),
        (SGLANG, "deepseek-v3.1", "", "deepseekv31", "deepseek-v3"),
        (VLLM, "auto", "deepseek-r1-distill", None, "deepseek_r1"),
        (LMDEPLOY, "auto", "gpt-oss", None, None),
        (VLLM, "auto", "", None, None),
        (SGLANG, "auto", "", "auto", "auto"),
        (LMDEPLOY, "auto", "", None, None),
        (VLLM, "brand_new", "qwen3", "brand_new", "brand_new"),
        (EngineKind.LLAMA_SERVER, "auto", "qwen3", "auto", "auto"),
    ],
)
def test_parsers_are_named_as_the_engine_knows_them(
    engine: EngineKind, stated: str, family: str, tools: str | None, reasoning: str | None
) -> None:
    given = {"context": "8192", "tool_parser": stated, "reasoning_parser": stated}
    found = with_parsers(engine, given, family=family)
    assert (found.get("tool_parser"), found.get("reasoning_parser")) == (tools, reasoning)
    assert found["context"] == "8192"


def test_what_is_not_asked_for_is_not_set() -> None:
    assert with_parsers(VLLM, {"context": "8192"}, family="qwen3") == {"context": "8192"}


@given(st.text(max_size=40))
def test_any_name_can_be_asked(name: str) -> None:
    assert family_of([name]) in {"", *FAMILIES}


@pytest.mark.parametrize("engine", [VLLM, SGLANG, LMDEPLOY])
@pytest.mark.parametrize("name", [*FAMILIES, "auto"])
def test_every_family_can_be_stated(engine: EngineKind, name: str) -> None:
    for parameter in ("tool_parser", "reasoning_parser"):
        assert TABLES[engine].fault(engine.value, parameter, name) is None


def test_the_documentation_has_the_whole_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "engines.md").read_text()
    rows = {row.split("`")[1]: row for row in text.splitlines() if row.startswith("| `")}
    assert {key: rows.get(key) for key in FAMILIES} == {key: _row(key) for key in FAMILIES}


def _row(key: str) -> str:
    family = FAMILIES[key]
    pairs = zip(family.tools, family.reasoning, strict=True)
    cells = [", ".join(f"`{name}`" if name else "-" for name in pair) if any(pair) else "" for pair in pairs]
    return f"| `{key}` | {' | '.join(cells)} |".replace("  ", " ")
