"""What the pipeline sees of a limiter, whichever it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_router.domain.limits import Demand, Rule

__all__ = ["UNLIMITED", "CounterUse", "Grant", "Limiter", "Unlimited"]


class Grant(Protocol):
    """One admitted request. What was reserved for it stands until it is settled, or has left its window."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """OpenAI's rate limit headers of the limits with the least left; empty where no limit counts such."""

    def settle(self, input_tokens: int, output_tokens: int, record: Callable[[], UsageRecord] | None = None) -> None:
        """Count what was really used, and give back the place among concurrent requests. Safe to call once more.

        `record` makes what budgets are charged by, as the ledger will do it: called only where there are some. Without
        it they get back what was reserved.
        """


@dataclass(frozen=True, slots=True)
class CounterUse:
    """How much of one bound is used now, reservations of requests in flight included."""

    rule: Rule
    used: int


class Limiter(Protocol):
    async def admit(self, demand: Demand) -> Grant:
        """Reserve what the request needs under all limits and budgets at once, or nothing. Raises LimitExceeded,
        BudgetExhausted and ModelUnpriced.

        In process this never suspends.
        """

    async def peek(self, demand: Demand) -> Sequence[CounterUse]:
        """Return how the limits that such a request falls under stand. Changes nothing."""


class Unlimited:
    """The grant of a request that no limit is about."""

    __slots__ = ()
    headers: Final[tuple[tuple[bytes, bytes], ...]] = ()
    lines: Final = b""

    def settle(self, input_tokens: int, output_tokens: int, record: Callable[[], UsageRecord] | None = None) -> None:
        pass


UNLIMITED: Final = Unlimited()
