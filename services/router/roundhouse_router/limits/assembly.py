"""Limits as the settings have them."""

from collections.abc import Callable

from roundhouse_common.runtime import Clock
from roundhouse_common.service import Service
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.domain.limits import Spending
from roundhouse_router.limits import (
    BudgetFigures,
    Decider,
    Limiter,
    LimiterFigures,
    ProcessLimiter,
    RedisLimiter,
    Reserver,
)
from roundhouse_router.settings import RouterSettings

__all__ = ["install_limiter"]


def install_limiter(
    service: Service,
    settings: RouterSettings,
    control_plane: ControlPlane,
    clock: Clock,
    *,
    router_id: str,
    routers: Callable[[], int],
) -> Limiter:
    """Return what judges requests by limits: with Redis for all routers together, else by this process alone.

    The service runs it, and shows its figures.
    """
    figures = LimiterFigures(lambda: len(control_plane.limits.unread))
    budget_figures = BudgetFigures(lambda: control_plane.budgets.is_heard)
    service.registry.register(figures)
    service.registry.register(budget_figures)
    reserver = Reserver(
        lambda: control_plane.budgets,
        Spending(lambda: control_plane.prices, lambda: control_plane.table.deployments),
        clock=clock,
        figures=budget_figures,
        unpriced=settings.unpriced,
        unheard=settings.budgets_unheard,
        output_estimate=settings.limit_output_estimate,
    )
    if not settings.redis_url:
        return ProcessLimiter(
            lambda: control_plane.limits,
            clock,
            output_estimate=settings.limit_output_estimate,
            tally=figures.tallies[Decider.PROCESS],
            reserver=reserver,
        )
    limiter = RedisLimiter(
        lambda: control_plane.limits,
        clock,
        url=settings.redis_url,
        router_id=router_id,
        figures=figures,
        lost_mode=settings.redis_lost,
        live_routers=routers,
        timeout_s=settings.limit_redis_timeout_s,
        lease_s=settings.limit_lease_s,
        output_estimate=settings.limit_output_estimate,
        reserver=reserver,
    )
    service.loop("count limits", limiter.run)
    service.ready_when("limits", lambda: None if limiter.was_tried else "Redis was not asked yet")
    service.before_stop("count limits", limiter.flush)
    return limiter
