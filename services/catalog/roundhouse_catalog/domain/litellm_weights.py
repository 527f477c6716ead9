"""How LiteLLM shares requests among the entries of one name, as whole numbers: weight, else rpm, tpm, or alike."""

from collections.abc import Mapping, Sequence
from typing import Final

from roundhouse_catalog.domain.litellm_entries import Entry

__all__ = ["priorities", "weights"]

_MOST: Final = 1_000_000


def priorities(entries: Sequence[Entry]) -> Mapping[str, int]:
    """Return 0, 1, 2, ... by place, in the order of `order`; entries without one come last."""
    ordered = sorted({entry.order for entry in entries if entry.order is not None})
    ranks = {order: rank for rank, order in enumerate(ordered)}
    return {entry.place: len(ranks) if entry.order is None else ranks[entry.order] for entry in entries}


def weights(entries: Sequence[Entry], ranks: Mapping[str, int]) -> list[int]:
    """Return a weight for each entry; every priority has one above 0."""
    raw = _raw(entries)
    scaled = _whole(raw)
    for rank in set(ranks.values()):
        members = [index for index, entry in enumerate(entries) if ranks[entry.place] == rank]
        if not any(scaled[index] for index in members):
            for index in members:
                scaled[index] = 1
    return scaled


def _raw(entries: Sequence[Entry]) -> list[float]:
    for stated in (
        [entry.weight for entry in entries],
        [None if entry.rpm is None else float(entry.rpm) for entry in entries],
        [None if entry.tpm is None else float(entry.tpm) for entry in entries],
    ):
        if any(value is not None for value in stated):
            return [value or 0.0 for value in stated]
    return [1.0] * len(entries)


def _whole(raw: Sequence[float]) -> list[int]:
    """Scale fractions up and large numbers down; what is above 0 stays so."""
    factor = 1.0
    while any(abs(value * factor - round(value * factor)) > 1e-9 for value in raw) and factor < 1e4:
        factor *= 10
    largest = max(raw) * factor
    if largest > _MOST:
        factor *= _MOST / largest
    return [max(1, round(value * factor)) if value > 0 else 0 for value in raw]
