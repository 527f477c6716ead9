"""What is counted, over which time, and up to which bound."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["DAY", "MINUTE", "NO_LIMITS", "SECOND", "Measure", "Plan", "Rule", "Window"]


class Measure(Enum):
    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input tokens"
    OUTPUT_TOKENS = "output tokens"
    CONCURRENT = "concurrent requests"


@dataclass(frozen=True, slots=True)
class Window:
    """The last so much time, counted in slots: the one that runs now, and `slots` whole ones before it.

    What is counted leaves with its slot: after the window's length at the soonest, one slot more at the latest.
    """

    name: str
    slot_ms: int
    slots: int

    @property
    def longest_ms(self) -> int:
        """After this nothing is left of what was counted."""
        return self.slot_ms * (self.slots + 1)


SECOND: Final = Window("second", 20, 50)
MINUTE: Final = Window("minute", 1000, 60)
DAY: Final = Window("day", 900_000, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One bound of one limit, for the requests that are counted together."""

    counter_id: str
    """Names the counter: the limit, the bound's field, and the ids that it is counted apart for."""
    limit_id: str
    limit_name: str
    measure: Measure
    window: Window | None
    """None: what is going on now."""
    bound: int
    counted_per: str = ""
    """For people: `key and route`; empty: all requests of the limit together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All rules that a request falls under."""

    requests: tuple[Rule, ...] = ()
    tokens: tuple[Rule, ...] = ()
    """Tokens of any kind."""
    concurrent: tuple[Rule, ...] = ()
    closed: Rule | None = None
    """A rule with the bound 0: nothing is admitted, and nothing is counted."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Requests, then tokens, then concurrency: the order in which they are judged."""
        return self.requests + self.tokens + self.concurrent


NO_LIMITS: Final = Plan()
