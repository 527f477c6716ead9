"""How each engine tells, inside a stream, how many tokens it has used so far.

Streams that end early have no final usage. An engine that can put running figures into its chunks is asked to;
for the others the router counts the chunks that carried text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["OLD_LIMIT_ONLY", "RIGHT_USAGE", "RUNNING", "LlamaTimings", "Running"]

OLD_LIMIT_ONLY: Final = frozenset({EngineKind.TRANSFORMERS})
"""Engines that know `max_tokens` and take no notice of `max_completion_tokens`."""

RIGHT_USAGE: Final = frozenset(
    {EngineKind.LLAMA_CPP, EngineKind.LLAMA_SERVER, EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY}
)
"""Engines that send usage as OpenAI does: only when asked, in a chunk of its own, before `[DONE]`."""


class LlamaTimings(msgspec.Struct):
    """llama.cpp's `timings`: prompt tokens evaluated, taken from its cache, and tokens generated so far."""

    prompt_n: int = 0
    cache_n: int = 0
    predicted_n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What to ask for, and how to find, read and remove the answer in a chunk."""

    parameter: str
    """The request member that is set to true."""
    marker: bytes
    """Only lines with these bytes are looked at."""
    member: re.Pattern[bytes]
    """Matches the whole member; its first group is the JSON value."""

    def read(self, line: bytes) -> TokenCounts | None:
        """Return the last figures in the bytes, or None."""
        found = self.member.findall(line)
        if not found:
            return None
        try:
            timings = msgspec.json.decode(found[-1], type=LlamaTimings)
        except msgspec.DecodeError:
            return None
        return TokenCounts(
            input_tokens=timings.prompt_n, cached_input_tokens=timings.cache_n, output_tokens=timings.predicted_n
        )

    def remove(self, line: bytes) -> bytes:
        """Return the line without the member. Quotes inside JSON strings are escaped, so no text is ever hit."""
        return self.member.sub(b"", line)


RUNNING: Final[Mapping[EngineKind, Running]] = MappingProxyType(
    {
        EngineKind.LLAMA_CPP: Running(
            parameter="timings_per_token",
            marker=b'"timings":{',
            member=re.compile(rb',"timings":(\{[^{}]*\})'),
        )
    }
)
