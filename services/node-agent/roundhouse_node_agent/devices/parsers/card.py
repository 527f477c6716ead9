"""What one tool tells of one device. None is unknown."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from roundhouse_common.contracts.node import DeviceHealth

__all__ = ["Card", "merged"]

_SEVERITY = (DeviceHealth.UNKNOWN, DeviceHealth.OK, DeviceHealth.DEGRADED, DeviceHealth.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`index` is the logical one, and what several tools' answers are joined by."""

    index: int
    uuid: str | None = None
    model: str | None = None
    pci_address: str | None = None
    place: str | None = None
    """Where it sits, as far as it has no uuid of its own: lasts over restarts."""
    physical_index: int | None = None
    minor: int | None = None
    driver: str | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilization: float | None = None
    """0 to 1."""
    temperature_c: float | None = None
    power_w: float | None = None
    health: DeviceHealth = DeviceHealth.OK
    health_detail: str = ""
    parent_uuid: str | None = None
    is_memory_shared: bool = False


def merged(*answers: Iterable[Card]) -> tuple[Card, ...]:
    """Join several answers about the same devices; earlier ones win, of their health the worst."""
    found: dict[int, Card] = {}
    for answer in answers:
        for card in answer:
            known = found.get(card.index)
            found[card.index] = card if known is None else _joined(known, card)
    return tuple(found[index] for index in sorted(found))


def _joined(first: Card, second: Card) -> Card:
    gaps = {
        field.name: value
        for field in fields(Card)
        if getattr(first, field.name) is None and (value := getattr(second, field.name)) is not None
    }
    joined = replace(first, **gaps)
    if _SEVERITY.index(second.health) > _SEVERITY.index(first.health):
        joined = replace(joined, health=second.health, health_detail=second.health_detail)
    return joined
