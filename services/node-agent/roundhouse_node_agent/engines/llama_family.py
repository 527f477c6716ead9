"""What every way of running llama.cpp's server has in common: endpoints, metrics, and how it fails."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_node_agent.domain.engine_run import PORT_IN_USE
from roundhouse_node_agent.engines.diagnosis import COMMON_RULES, Rule
from roundhouse_node_agent.engines.engine import Feature
from roundhouse_node_agent.engines.metric_names import MetricNames

__all__ = ["LLAMA_FEATURES", "LLAMA_METRICS", "LLAMA_RULES"]

_TEXT = frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.RESPONSES, Feature.MESSAGES, Feature.TOKENIZE})

LLAMA_FEATURES: Final[Mapping[ModelKind, frozenset[Feature]]] = MappingProxyType(
    {
        ModelKind.CHAT: _TEXT,
        ModelKind.COMPLETION: frozenset({Feature.COMPLETIONS, Feature.TOKENIZE}),
        ModelKind.EMBEDDING: frozenset({Feature.EMBEDDINGS, Feature.TOKENIZE}),
        ModelKind.RERANK: frozenset({Feature.RERANK, Feature.TOKENIZE}),
    }
)

LLAMA_RULES: Final = (
    Rule(
        "model_missing",
        re.compile(r"model file (?P<path>\S+) is not there|failed to open GGUF file '(?P<gguf>[^']+)'"),
        "the model's file is not on this node any more",
        "look at the download's state, or correct the path",
    ),
    Rule(
        "model_corrupt",
        re.compile(
            r"model is corrupted or incomplete|invalid magic characters|gguf_init_from_\w+: failed to read|"
            r"tensor '.*' data is not within the file bounds|wrong number of tensors|invalid GGUF"
        ),
        "the model's file is damaged or not a GGUF file",
        "fetch it again and compare its checksum",
    ),
    Rule(
        "unsupported_architecture",
        re.compile(r"unknown model architecture: '(?P<architecture>[^']+)'"),
        "this version of llama.cpp does not know the architecture {architecture}",
        "use a newer version of the engine or another engine",
    ),
    Rule(
        PORT_IN_USE,
        re.compile(r"couldn't bind HTTP server socket|port \d+ is in use"),
        "its port was taken by another program",
    ),
    Rule(
        "out_of_memory",
        re.compile(
            r"unable to allocate .* buffer|insufficient memory \(attempted to allocate|failed to allocate|"
            r"failed to create context|failed to fit params"
        ),
        "memory ran out while the model was loaded",
        "ask for a shorter context or fewer parallel requests, or use a larger node",
    ),
    Rule(
        "bad_chat_template",
        re.compile(r"(?P<what>(failed to parse chat template|chat template).*(error|invalid|not valid|failed).*)"),
        "the chat template cannot be used: {what}",
        "correct the template, or leave it out to use the one of the model's file",
    ),
    Rule("bad_parameters", re.compile(r"(?P<what>error: invalid argument: .*)"), "llama.cpp says: {what}"),
    *COMMON_RULES,
)


LLAMA_METRICS: Final = MetricNames(
    running="llamacpp:requests_processing",
    waiting="llamacpp:requests_deferred",
    input_tokens="llamacpp:prompt_tokens_total",
    cached_input_tokens="llamacpp:prompt_tokens_cached_total",
    is_cache_apart=True,
    output_tokens="llamacpp:tokens_predicted_total",
)
