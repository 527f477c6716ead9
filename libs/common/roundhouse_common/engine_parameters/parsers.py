"""How families of models write tool calls and reasoning, by each engine's name for it.

The names are those of vLLM 0.32, SGLang 0.5.23 and LMDeploy 0.18; a slow test compares them with the engines' own
lists.
A family is only in the table where the engines' documentation says which parser it needs.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind

__all__ = ["AUTO", "FAMILIES", "Family", "family_of", "with_parsers"]

AUTO: Final = "auto"
"""The family that the model's name or architecture says; where that is not certain, nothing is set."""
_ENGINES: Final = (EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY)
_DETECTS_ITSELF: Final = frozenset({EngineKind.SGLANG})
"""Has `auto` of its own, which looks at the chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way of writing. Each tuple has the names of vLLM, SGLang and LMDeploy; empty: it needs or has none."""

    names: str
    """Of models, as a regular expression from the beginning, in lower case with dashes."""
    tools: tuple[str, str, str]
    reasoning: tuple[str, str, str] = ("", "", "")
    architectures: frozenset[str] = frozenset()
    """That no other family has."""


_SIZE: Final = r"[\d.]+b(-a[\d.]+b)?"
_END: Final = r"(?![a-z0-9])"
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "deepseek-r1-distill": Family(
            names=r"deepseek-r1-(distill|0528-qwen3)",
            tools=("", "", ""),
            reasoning=("deepseek_r1", "deepseek-r1", "default"),
        ),
        "deepseek-r1": Family(
            names=r"deepseek-r1(?!-zero)(-|$)",
            tools=("deepseek_v3", "deepseekv3", ""),
            reasoning=("deepseek_r1", "deepseek-r1", "default"),
        ),
        "deepseek-v4": Family(
            names=r"deepseek-v4(-|$)",
            tools=("deepseek_v4", "deepseekv4", "deepseek-v4"),
            reasoning=("deepseek_v4", "deepseek-v4", "deepseek-v4"),
        ),
        "deepseek-v3.2": Family(
            names=r"deepseek-v3\.2(?!-exp)(-|$)",
            tools=("deepseek_v32", "deepseekv32", "deepseek-v32"),
            reasoning=("deepseek_v3", "deepseek-v3", "deepseek-v32"),
        ),
        "deepseek-v3.1": Family(
            names=r"deepseek-v3\.1(-|$)",
            tools=("deepseek_v31", "deepseekv31", ""),
            reasoning=("deepseek_v3", "deepseek-v3", "deepseek-v3"),
        ),
        "deepseek-v3": Family(
            names=r"deepseek-v3(-|$)",
            tools=("deepseek_v3", "deepseekv3", ""),
            reasoning=("deepseek_v3", "deepseek-v3", "deepseek-v3"),
        ),
        "qwen3-coder": Family(names=r"qwen3-coder(-|$)", tools=("qwen3_coder", "qwen3_coder", "qwen3coder")),
        "qwen3-instruct": Family(names=rf"qwen3-(next-)?{_SIZE}-instruct{_END}", tools=("hermes", "qwen25", "qwen3")),
        "qwen3-thinking": Family(
            names=rf"qwen3-(next-)?{_SIZE}-thinking{_END}",
            tools=("hermes", "qwen25", "qwen3"),
            reasoning=("deepseek_r1", "qwen3-thinking", "default"),
        ),
        "qwen3": Family(
            names=rf"qwen3-{_SIZE}(?!-base){_END}",
            tools=("hermes", "qwen25", "qwen3"),
            reasoning=("qwen3", "qwen3", "default"),
        ),
        "qwq": Family(
            names=rf"qwq-32b(?!-preview){_END}",
            tools=("hermes", "qwen25", "qwen2d5"),
            reasoning=("deepseek_r1", "deepseek-r1", "default"),
        ),
        "qwen2.5": Family(names=rf"qwen2\.5-(coder-)?{_SIZE}-instruct{_END}", tools=("hermes", "qwen25", "qwen2d5")),
        "hermes": Family(names=r"hermes-(2-pro|2-theta|3|4)(-|$)", tools=("hermes", "hermes", "")),
        "llama-3": Family(names=rf"llama-3\.[123]-\d+b-instruct{_END}", tools=("llama3_json", "llama3", "llama3")),
        "llama-4": Family(
            names=r"llama-4-(scout|maverick)(-|$)",
            tools=("llama4_pythonic", "pythonic", ""),
            architectures=frozenset({"Llama4ForConditionalGeneration", "Llama4ForCausalLM", "llama4"}),
        ),
        "magistral": Family(
            names=r"magistral-(small|medium)(-|$)",
            tools=("mistral", "mistral", ""),
            reasoning=("mistral", "mistral", ""),
        ),
        # Not `mistral`: that is a parser of reasoning too, which these models do not need.
        "mistral-instruct": Family(
            names=r"(mistral-(7b-instruct-v0\.3|nemo-instruct|small|large|medium)|ministral|devstral)(-|$)",
            tools=("mistral", "mistral", ""),
        ),
        "glm-4.7": Family(
            names=r"glm-4\.7(-|$)", tools=("glm47", "glm47", "glm47"), reasoning=("glm47", "glm45", "default")
        ),
        "glm-4.5": Family(
            names=r"glm-4\.[56](?!v)(-|$)", tools=("glm45", "glm45", ""), reasoning=("glm45", "glm45", "default")
        ),
        "kimi-k2-thinking": Family(
            names=r"kimi-k2-thinking(-|$)",
            tools=("kimi_k2", "kimi_k2", "kimi_k2"),
            reasoning=("kimi_k2", "kimi_k2", "default"),
        ),
        "kimi-k2": Family(names=r"kimi-k2-instruct(-|$)", tools=("kimi_k2", "kimi_k2", "kimi_k2")),
        # LMDeploy knows it by its architecture.
        "gpt-oss": Family(
            names=rf"gpt-oss-(20b|120b){_END}",
            tools=("openai", "gpt-oss", ""),
            reasoning=("openai_gptoss", "gpt-oss", ""),
            architectures=frozenset({"GptOssForCausalLM", "gpt-oss"}),
        ),
        "internlm": Family(names=r"internlm(2[.-]5|3)-", tools=("internlm", "", "internlm")),
        "intern-s1": Family(
            names=r"intern-s1(-|$)",
            tools=("", "interns1", "intern-s1"),
            reasoning=("", "interns1", "default"),
            architectures=frozenset({"InternS1ForConditionalGeneration"}),
        ),
        "minimax-m2": Family(
            names=r"minimax-m2(-|$)",
            tools=("minimax_m2", "minimax-m2", ""),
            reasoning=("minimax_m2_append_think", "minimax-append-think", ""),
            architectures=frozenset({"MiniMaxM2ForCausalLM"}),
        ),
        "hunyuan-a13b": Family(
            names=r"hunyuan-a13b(-|$)",
            tools=("hunyuan_a13b", "hunyuan", ""),
            reasoning=("hunyuan_a13b", "hunyuan", ""),
        ),
        "granite-4": Family(names=r"granite-4\.0(-|$)", tools=("granite4", "", "")),
        "granite-3": Family(names=rf"granite-3\.[1-9]-\d+b-instruct{_END}", tools=("granite", "", "")),
        "step-3": Family(names=r"step-?3(-|$)", tools=("step3", "step3", ""), reasoning=("step3", "step3", "")),
    }
)
"""By our name for the family; a name that several match has the first."""

_VENDORS: Final = re.compile(
    r"^(meta-|qwen-|deepseek-ai-|mistralai-|openai-|zai-org-|nousresearch-|moonshotai-|ibm-granite-|tencent-)(?=[a-z])"
)
_BY_ARCHITECTURE: Final = {name: key for key, family in FAMILIES.items() for name in family.architectures}


def family_of(names: Iterable[str], architecture: str = "") -> str:
    """Return the family of a model by what it is called, the first name first, or by its architecture; empty: unknown.

    Most architectures are shared by families that write differently, and tell nothing.
    """
    for name in names:
        plain = _plain(name)
        for key, family in FAMILIES.items():
            if re.match(family.names, plain):
                return key
    return _BY_ARCHITECTURE.get(architecture, "")


def with_parsers(engine: EngineKind, given: Mapping[str, str], *, family: str) -> dict[str, str]:
    """Return the parameters with `tool_parser` and `reasoning_parser` by the engine's own names, or without them.

    They may be stated as `auto`, which is `family`, as a family, or as the engine knows them; what is no family is
    handed on, so that a newer engine's parsers can be used.
    """
    found = dict(given)
    if engine not in _ENGINES:
        return found
    for name, is_tools in (("tool_parser", True), ("reasoning_parser", False)):
        stated = found.pop(name, "")
        own = _own_name(engine, stated, family, is_tools=is_tools) if stated else ""
        if own:
            found[name] = own
    return found


def _own_name(engine: EngineKind, stated: str, family: str, *, is_tools: bool) -> str:
    chosen = FAMILIES.get(family if stated == AUTO else stated.lower())
    if chosen is None:
        is_handed_on = stated != AUTO or engine in _DETECTS_ITSELF
        return stated if is_handed_on else ""
    return (chosen.tools if is_tools else chosen.reasoning)[_ENGINES.index(engine)]


def _plain(name: str) -> str:
    """Return the last part of a path or repository in lower case with dashes, without the vendor's name."""
    last = name.rstrip("/").rsplit("/", 1)[-1].lower()
    return _VENDORS.sub("", last.replace("_", "-").replace(" ", "-"))
