"""Engines that speak a client's API themselves: which do it well enough."""

from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.scheduler import Endpoint

__all__ = ["speaks"]

_UNFAITHFUL: Final = frozenset(
    {(EngineKind.LLAMA_CPP, Feature.RESPONSES), (EngineKind.LLAMA_SERVER, Feature.RESPONSES)}
)
"""llama.cpp's events of the Responses API have no `output_index`, `content_index` and `sequence_number`: the openai
client's `responses.stream()` fails on them."""


def speaks(endpoint: Endpoint, feature: Feature | None) -> bool:
    """Whether an engine gets the client's own bytes in this API; otherwise they are translated.

    One of which nothing is known is asked in OpenAI's chat, which most have.
    """
    return feature in endpoint.features and (endpoint.engine, feature) not in _UNFAITHFUL
