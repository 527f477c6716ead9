"""Ollama's inference paths."""

from collections.abc import Callable, Mapping

from roundhouse_common.runtime import Clock
from roundhouse_router.api.interface import Interface
from roundhouse_router.dialects.ollama import OllamaDialects, OllamaTexts, OllamaVectors, known_name
from roundhouse_router.domain.features import FEATURES

__all__ = ["ollama_interfaces"]

_GENERATE = "/api/generate"


def ollama_interfaces(clock: Clock) -> Mapping[str, Interface]:
    """Return them by path. Its answers tell times, hence the clock."""
    dialects = OllamaDialects(clock)
    made = {path: _interface(path, dialects.find(path, b"")) for path in dialects.paths}
    template, raw = made[_GENERATE], _interface(_GENERATE, dialects.raw)
    choosing = _interface(
        _GENERATE,
        dialects.find(_GENERATE, b""),
        lambda body: raw if dialects.find(_GENERATE, body) is dialects.raw else template,
    )
    return {**made, _GENERATE: choosing}


def _interface(
    path: str, dialect: OllamaTexts | OllamaVectors, choose: Callable[[bytes], Interface] | None = None
) -> Interface:
    return Interface(
        path=path,
        api=dialect.api,
        operation=dialect.operation,
        feature=None,
        dialect=dialect,
        known_name=known_name,
        answer_to_nothing=dialect.answer_to_nothing,
        features=(FEATURES[dialect.operation],),
        choose=choose,
    )
