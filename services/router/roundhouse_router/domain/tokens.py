"""Token figures in disjoint classes, from the `usage` objects of OpenAI's wire."""

import msgspec

__all__ = ["NO_TOKENS", "TokenCounts", "Usage", "from_usage"]


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Disjoint classes: the sum is what was processed."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    """Input tokens that a provider charged for keeping."""


NO_TOKENS = TokenCounts()


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """OpenAI's: `prompt_tokens` includes tokens read from a cache or written to it, `completion_tokens` reasoning."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


def from_usage(usage: Usage) -> TokenCounts:
    """Return the disjoint classes; none is ever negative, whatever the engine says."""
    completion = max(usage.completion_tokens or 0, 0)
    # Of a ranking some engines tell only the total.
    prompt = max((usage.total_tokens or 0) - completion if usage.prompt_tokens is None else usage.prompt_tokens, 0)
    details = usage.prompt_tokens_details or PromptDetails()
    reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
    cached = min(max(details.cached_tokens or 0, 0), prompt)
    written = min(max(details.cache_write_tokens or 0, 0), prompt - cached)
    reasoning = min(max(reasoning or 0, 0), completion)
    return TokenCounts(
        input_tokens=prompt - cached - written,
        cached_input_tokens=cached,
        output_tokens=completion - reasoning,
        reasoning_tokens=reasoning,
        cache_write_tokens=written,
    )
