"""Which of an engine's metrics is what, by our names."""

from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse_node_agent.domain.engine_run import EngineSample

__all__ = ["MetricNames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricNames:
    """Empty names: the engine does not tell."""

    running: str
    waiting: str = ""
    set_aside: str = ""
    """Requests whose cache was moved out to make room; they count as waiting."""
    kv_cache_usage: str = ""
    input_tokens: str = ""
    cached_input_tokens: str = ""
    is_cache_apart: bool = False
    """Whether `input_tokens` counts only what did not come from its cache."""
    output_tokens: str = ""

    def sample(self, metrics: Mapping[str, float]) -> EngineSample | None:
        """Return a sample; None while what decides about idleness is not there."""
        running = metrics.get(self.running)
        waiting = metrics.get(self.waiting) if self.waiting else 0.0
        if running is None or waiting is None:
            return None
        return EngineSample(
            running=round(running),
            waiting=round(waiting + metrics.get(self.set_aside, 0.0)),
            kv_cache_usage=metrics.get(self.kv_cache_usage, 0.0),
            input_tokens_total=self._input_tokens(metrics),
            cached_input_tokens_total=metrics.get(self.cached_input_tokens),
            output_tokens_total=metrics.get(self.output_tokens),
        )

    def _input_tokens(self, metrics: Mapping[str, float]) -> float | None:
        """Without its cached part a count that leaves it out says nothing about whole prompts."""
        counted, cached = metrics.get(self.input_tokens), metrics.get(self.cached_input_tokens)
        if not self.is_cache_apart or counted is None:
            return counted
        return counted + cached if cached is not None else None
