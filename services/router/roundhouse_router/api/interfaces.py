"""The inference paths: what each one asks for, and who translates it where it is not OpenAI's."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.features import FEATURES, OPERATIONS
from roundhouse_router.domain.formats import Dialect

__all__ = ["INTERFACES", "Interface"]

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
    feature: Feature
    """The endpoint of an engine that takes the client's bytes as they are."""
    dialect: Dialect | None = None
    """Translates for engines and providers that have not got it; None: it is OpenAI's."""

    features: tuple[Feature, ...]
    """What an engine must have one of: this endpoint, or OpenAI's of the operation."""


def _openai(path: str, operation: Operation) -> Interface:
    feature = FEATURES[operation]
    return Interface(path=path, api=_APIS[path], operation=operation, feature=feature, features=(feature,))


INTERFACES: Final[Mapping[str, Interface]] = MappingProxyType(
    {path: _openai(path, operation) for path, operation in OPERATIONS.items()}
)
"""By path."""
