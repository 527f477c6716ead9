"""Fallbacks of a LiteLLM configuration. There, two names may be each other's fallback; here routes lead in no circle.

Where a fallback for errors would close one, the other name's targets follow this route's own on later priorities:
what is asked, and in which order, stays the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roundhouse_catalog.domain.litellm_config import LiteLLMConfig
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_common.contracts.routing import FallbackReason

__all__ = ["FallbackPlan", "plan_fallbacks"]

_SETTINGS: Mapping[FallbackReason, str] = {
    FallbackReason.CONTEXT_LENGTH: "context_window_fallbacks",
    FallbackReason.CONTENT_POLICY: "content_policy_fallbacks",
    FallbackReason.ERROR: "fallbacks",
}
"""Those for errors come last: they alone can be had without leading to a route."""


@dataclass(slots=True)
class FallbackPlan:
    """What each route falls back to."""

    edges: dict[str, list[tuple[FallbackReason, str]]] = field(default_factory=dict)
    inlined: dict[str, list[str]] = field(default_factory=dict)
    """Names whose targets follow the route's own."""


def plan_fallbacks(config: LiteLLMConfig, names: Sequence[str], report: Report) -> FallbackPlan:
    """Return the fallbacks of these names, without circles."""
    plan = FallbackPlan()
    leads = {alias: {meant} for alias, meant in config.aliases.items() if alias not in names}
    for reason, setting in _SETTINGS.items():
        stated = config.fallbacks.get(reason, {})
        for name in stated:
            if name not in names:
                report.left_out(f"{setting}.{name}", "there is no such model_name in the list")
        for name in names:
            found = stated.get(name) or (config.default_fallbacks if reason is FallbackReason.ERROR else ())
            place = f"{setting}.{name}" if name in stated else f"default_fallbacks.{name}"
            for other in dict.fromkeys(found):
                if other == name:
                    if name in stated:
                        report.left_out(place, "it means itself")
                    continue
                _add(plan, leads, _Wish(place, name, reason, other, is_listed=other in names), report)
    return plan


@dataclass(frozen=True, slots=True)
class _Wish:
    place: str
    name: str
    reason: FallbackReason
    other: str
    is_listed: bool


def _add(plan: FallbackPlan, leads: dict[str, set[str]], wish: _Wish, report: Report) -> None:
    words = f"{wish.name} falls back to {wish.other}"
    if not _reaches(wish.other, wish.name, leads):
        leads.setdefault(wish.name, set()).add(wish.other)
        plan.edges.setdefault(wish.name, []).append((wish.reason, wish.other))
        report.taken(wish.place, f"{words} ({wish.reason.value})")
    elif wish.reason is FallbackReason.ERROR and wish.is_listed:
        plan.inlined.setdefault(wish.name, []).append(wish.other)
        report.changed(wish.place, f"{words}: as targets of later priorities, since routes lead in no circle")
    else:
        report.left_out(wish.place, f"{words} would lead in a circle")


def _reaches(start: str, end: str, leads: Mapping[str, Iterable[str]]) -> bool:
    seen, ways = {start}, [start]
    while ways:
        one = ways.pop()
        if one == end:
            return True
        for following in leads.get(one, ()):
            if following not in seen:
                seen.add(following)
                ways.append(following)
    return False
