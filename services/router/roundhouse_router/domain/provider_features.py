"""Which endpoints an outside provider has."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ProviderFormat, ProviderRecord

__all__ = ["FORMAT_FEATURES", "provider_serves"]

_OPENAI: Final = frozenset(
    {
        Feature.CHAT,
        Feature.COMPLETIONS,
        Feature.EMBEDDINGS,
        Feature.IMAGES,
        Feature.SPEECH,
        Feature.TRANSCRIPTIONS,
        Feature.TRANSLATIONS,
    }
)
FORMAT_FEATURES: Final[Mapping[ProviderFormat, frozenset[Feature]]] = MappingProxyType(
    {
        ProviderFormat.OPENAI: _OPENAI,
        ProviderFormat.ANTHROPIC: frozenset({Feature.CHAT, Feature.MESSAGES}),
        ProviderFormat.OLLAMA: frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.EMBEDDINGS}),
        ProviderFormat.REPLICATE: frozenset({Feature.CHAT, Feature.COMPLETIONS, Feature.IMAGES}),
        ProviderFormat.UNKNOWN: frozenset(),
    }
)
"""What can be asked of a provider whose record does not say, translated where need be. Few of those that speak
OpenAI's API have its responses: a request for them is made a chat, unless the record names them."""


def provider_serves(provider: ProviderRecord, features: tuple[Feature, ...]) -> bool:
    """Whether it has one of the endpoints."""
    has = provider.features or FORMAT_FEATURES[provider.format]
    return any(feature in has for feature in features)
