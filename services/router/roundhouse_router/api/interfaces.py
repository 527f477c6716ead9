"""The inference paths that are not Ollama's."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.api.interface import Interface
from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.dialects.anthropic_count import COUNT_PATH
from roundhouse_router.dialects.media import MEDIA, MediaPath
from roundhouse_router.dialects.responses import RESPONSES
from roundhouse_router.domain.features import FEATURES, OPERATIONS

__all__ = ["CHAT", "COUNT_TOKENS", "INTERFACES"]

_APIS: Final = {
    "/v1/chat/completions": "openai.chat",
    "/v1/completions": "openai.completions",
    "/v1/embeddings": "openai.embeddings",
    "/v1/rerank": "rerank",
    "/v1/score": "score",
}


def _openai(path: str, operation: Operation) -> Interface:
    feature = FEATURES[operation]
    return Interface(path=path, api=_APIS[path], operation=operation, feature=feature, features=(feature,))


def _media(path: str, media: MediaPath) -> Interface:
    feature = media.feature
    return Interface(
        path=path, api=media.api, operation=media.operation, feature=feature, media=media, features=(feature,)
    )


_TRANSLATED: Final = (
    Interface(
        path="/v1/messages",
        api=ANTHROPIC.api,
        operation=ANTHROPIC.operation,
        feature=Feature.MESSAGES,
        dialect=ANTHROPIC,
        native=ANTHROPIC,
        id_header=b"request-id",
        features=(Feature.MESSAGES, Feature.CHAT),
    ),
    Interface(
        path="/v1/responses",
        api=RESPONSES.api,
        operation=RESPONSES.operation,
        feature=Feature.RESPONSES,
        dialect=RESPONSES,
        native=RESPONSES,
        features=(Feature.RESPONSES, Feature.CHAT),
    ),
)

COUNT_TOKENS: Final = Interface(
    path=COUNT_PATH,
    api="anthropic.count_tokens",
    operation=ANTHROPIC.operation,
    feature=Feature.MESSAGES,
    dialect=ANTHROPIC,
    id_header=b"request-id",
    features=(Feature.MESSAGES, Feature.CHAT),
)
"""Generates nothing: not among the others."""
INTERFACES: Final[Mapping[str, Interface]] = MappingProxyType(
    {path: _openai(path, operation) for path, operation in OPERATIONS.items()}
    | {interface.path: interface for interface in _TRANSLATED}
    | {path: _media(path, media) for path, media in MEDIA.items()}
)
"""By path."""

CHAT: Final = INTERFACES["/v1/chat/completions"]
