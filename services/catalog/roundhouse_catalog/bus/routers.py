"""What the catalog asks all routers about themselves."""

from roundhouse_catalog.domain.errors import RoutersAway
from roundhouse_common.bus.api import Bus, BusUnavailable
from roundhouse_common.contracts.registry import CLEAR_ANSWERS, READ_ROUTER
from roundhouse_common.contracts.routers import AnswersCleared, ClearAnswers, ReadRouter, RouterRead

__all__ = ["RouterSight"]


class RouterSight:
    """Asks all routers at once; each tells its own. A router that does not answer in time is not listed."""

    def __init__(self, bus: Bus, *, timeout_s: float = 3.0, quiet_s: float = 0.2) -> None:
        """`quiet_s` after an answer without another one nobody is waited for any more."""
        self._bus = bus
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s

    async def read(self, tenant_id: str) -> list[RouterRead]:
        """Return what the routers say, by their ids. Raises RoutersAway when none answers."""
        try:
            told = await self._bus.request_all(
                READ_ROUTER, ReadRouter(tenant_id=tenant_id), "all", timeout_s=self._timeout_s, quiet_s=self._quiet_s
            )
        except BusUnavailable as error:
            raise RoutersAway(str(error)) from error
        if not told:
            raise RoutersAway("no router is connected")
        return sorted(told, key=lambda one: one.router_id)

    async def clear(self, tenant_id: str) -> list[AnswersCleared]:
        """Have every router forget a tenant's answers. Raises RoutersAway when none answers."""
        question = ClearAnswers(tenant_id=tenant_id)
        try:
            told = await self._bus.request_all(
                CLEAR_ANSWERS, question, "all", timeout_s=self._timeout_s, quiet_s=self._quiet_s
            )
        except BusUnavailable as error:
            raise RoutersAway(str(error)) from error
        if not told:
            raise RoutersAway("no router is connected")
        return sorted(told, key=lambda one: one.router_id)
