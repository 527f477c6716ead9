"""The inference paths: what each one asks for, and who translates it where it is not OpenAI's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.anthropic import ANTHROPIC
from roundhouse_router.dialects.anthropic_count import COUNT_PATH
from roundhouse_router.dialects.media import MEDIA, MediaPath
from roundhouse_router.dialects.responses import RESPONSES
from roundhouse_router.domain.features import FEATURES, OPERATIONS
from roundhouse_router.domain.formats import Dialect, NativeReader
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["COUNT_TOKENS", "INTERFACES", "Interface"]

_APIS: Final = {
    "/v1/chat/completions": "openai.chat",
    "/v1/completions": "openai.completions",
    "/v1/embeddings": "openai.embeddings",
    "/v1/rerank": "rerank",
    "/v1/score": "score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One path."""

    path: str
    api: str
    """For usage records and metrics."""
    operation: Operation
    feature: Feature | None
    """The endpoint of an engine that takes the client's bytes as they are; None: no engine has it."""
    dialect: Dialect | None = None
    """Translates for engines and providers that have not got it; None: it is OpenAI's."""

    native: NativeReader | None = None
    """Reads the answers of engines that have got it, where it is not OpenAI's."""

    id_header: bytes = b""
    """Where its clients look for the request's id, beside `x-request-id`."""

    media: MediaPath | None = None
    """Images or sound: passed on as they come, in both directions."""

    choose: "Callable[[bytes], Interface] | None" = None
    """Which of several interfaces of the path a body is for."""

    known_name: Callable[[RoutingTable, ApiKeyRecord, str], str] | None = None
    """The name that a model is known by, where clients add something to it."""

    answer_to_nothing: Callable[[ParsedRequest], bytes | None] | None = None
    """The answer to a request that asks for nothing, and needs no engine; None: it asks for something."""

    features: tuple[Feature, ...]
    """What an engine must have one of: this endpoint, or OpenAI's of the operation."""


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
