"""Which provider a LiteLLM model name begins with: `together_ai/meta-llama/...` is Together's, in OpenAI's format.

Base addresses and names of variables are LiteLLM's own defaults for each prefix.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from roundhouse_catalog.domain import shapes
from roundhouse_common.contracts.routing import ProviderFormat

__all__ = ["KNOWN", "SAME", "UNSUPPORTED", "Known", "base_address", "guessed_prefix", "provider_name"]


@dataclass(frozen=True, slots=True)
class Known:
    """A prefix that leads to an API we speak."""

    format: ProviderFormat
    base_url: str
    """Empty: every entry has to state `api_base`."""
    key_variable: str = ""
    """Where LiteLLM finds the key when an entry has none; empty: it needs none."""


def _openai(base_url: str, key_variable: str = "") -> Known:
    return Known(ProviderFormat.OPENAI, base_url, key_variable)


KNOWN: Final[Mapping[str, Known]] = {
    "openai": _openai("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "custom_openai": _openai(""),
    "openai_like": _openai(""),
    "litellm_proxy": _openai("", "LITELLM_PROXY_API_KEY"),
    "hosted_vllm": _openai(""),
    "llamafile": _openai("http://127.0.0.1:8080/v1"),
    "lm_studio": _openai("", "LM_STUDIO_API_KEY"),
    "xinference": _openai("http://127.0.0.1:9997/v1"),
    "anthropic": Known(ProviderFormat.ANTHROPIC, "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "ollama": Known(ProviderFormat.OLLAMA, "http://localhost:11434"),
    "replicate": Known(ProviderFormat.REPLICATE, "https://api.replicate.com/v1", "REPLICATE_API_KEY"),
    "together_ai": _openai("https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "openrouter": _openai("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "groq": _openai("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "deepseek": _openai("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "mistral": _openai("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "codestral": _openai("https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    "xai": _openai("https://api.x.ai/v1", "XAI_API_KEY"),
    "perplexity": _openai("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "deepinfra": _openai("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "fireworks_ai": _openai("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "nvidia_nim": _openai("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "cerebras": _openai("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "sambanova": _openai("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "friendliai": _openai("https://api.friendli.ai/serverless/v1", "FRIENDLI_TOKEN"),
    "meta_llama": _openai("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "volcengine": _openai("https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
}

SAME: Final[Mapping[str, str]] = {
    "ollama_chat": "ollama",
    "text-completion-codestral": "codestral",
    "text-completion-openai": "openai",
}
"""Prefixes that mean another endpoint of the same provider."""

_OWN_API: Final = "it speaks an API of its own, which Roundhouse does not; an OpenAI-compatible proxy for it would do"
UNSUPPORTED: Final[Mapping[str, str]] = {
    "azure": "Azure OpenAI puts deployments and versions into its addresses, which Roundhouse does not speak",
    "azure_ai": "Azure's own addresses are not spoken",
    **dict.fromkeys(
        (
            "bedrock",
            "cohere",
            "cohere_chat",
            "databricks",
            "gemini",
            "huggingface",
            "sagemaker",
            "snowflake",
            "triton",
            "vertex_ai",
            "watsonx",
        ),
        _OWN_API,
    ),
    "vllm": "it runs vLLM inside LiteLLM; deploy the model here, or run a vLLM server and name it hosted_vllm",
}

_GUESSES: Final = (
    (re.compile(r"(ft:)?(gpt-|o[134](-|$)|chatgpt-|text-embedding-|dall-e-|whisper-|tts-|davinci|babbage)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
)


def guessed_prefix(model: str) -> str:
    """Return the provider that LiteLLM takes for a name without a prefix; empty when the name does not tell."""
    if model == "*":
        return "openai"
    return next((prefix for pattern, prefix in _GUESSES if pattern.match(model)), "")


def base_address(known: Known, stated: str) -> str:
    """Return where the paths of the API begin; empty when nobody says."""
    url = (stated or known.base_url).rstrip("/")
    if not stated:
        return url
    if known.format is ProviderFormat.ANTHROPIC:  # LiteLLM adds /v1/messages to what is stated
        url = url.removesuffix("/messages").removesuffix("/v1")
        return f"{url}/v1"
    if known.format is ProviderFormat.OPENAI:
        return url.removesuffix("/chat/completions")
    return url.removesuffix("/api/generate").removesuffix("/api/chat")


def provider_name(prefix: str, base_url: str) -> str:
    """Return the name of the provider that an address of a prefix becomes: always the same for the same two."""
    plain = prefix.replace("_", "-")
    known = KNOWN[prefix]
    if base_url == known.base_url:
        return plain
    parts = urlsplit(base_url)
    path = "" if parts.path in {"", "/v1"} else parts.path
    return shapes.as_deployment_name(f"{plain}-{parts.netloc}{path}") or plain
