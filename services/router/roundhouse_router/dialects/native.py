"""Engines that speak a client's API themselves: which do it well enough, and what the router reads as it passes."""

from typing import Final, Protocol

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.scheduler import Endpoint
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["NativeScanner", "speaks"]

_UNFAITHFUL: Final = frozenset(
    {(EngineKind.LLAMA_CPP, Feature.RESPONSES), (EngineKind.LLAMA_SERVER, Feature.RESPONSES)}
)
"""llama.cpp's events of the Responses API have no `output_index`, `content_index` and `sequence_number`: the openai
client's `responses.stream()` fails on them."""


class NativeScanner(Protocol):
    """Reads one stream as it passes. Feed every chunk, send what comes back, and finish at the end."""

    @property
    def usage(self) -> TokenCounts | None:
        """The final figures, once seen."""

    @property
    def is_done(self) -> bool:
        """The event that ends a stream was seen, possibly in the bytes that `feed` just returned."""

    @property
    def has_error(self) -> bool: ...

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go to the client now. Raises UpstreamFailed for a line without an end."""

    def finish(self) -> bytes: ...

    def so_far(self) -> TokenCounts | None:
        """Return the tokens used until now, for a stream that ends early; None when nothing was produced."""


def speaks(endpoint: Endpoint, feature: Feature | None) -> bool:
    """Whether an engine gets the client's own bytes in this API; otherwise they are translated.

    One of which nothing is known is asked in OpenAI's chat, which most have.
    """
    return feature in endpoint.features and (endpoint.engine, feature) not in _UNFAITHFUL
