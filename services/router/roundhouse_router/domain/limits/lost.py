"""The declared ways to go on without what counts the limits."""

from enum import StrEnum

__all__ = ["RedisLostMode", "UnheardMode", "UnpricedMode"]


class RedisLostMode(StrEnum):
    """What a router does while it cannot reach Redis."""

    LOCAL_SHARE = "local-share"
    """Each router enforces its part of every bound, by what it admitted itself."""
    OPEN = "open"
    """Limits hold nobody."""
    CLOSED = "closed"
    """Requests that a limit is about are refused with 503."""


class UnheardMode(StrEnum):
    """What a router does that has no snapshot and never heard which budgets there are."""

    ADMIT = "admit"
    """Requests are admitted, and counted in a metric. They are recorded, so budgets are charged with them later."""
    REFUSE = "refuse"
    """They are refused with 503 until the budgets are heard."""


class UnpricedMode(StrEnum):
    """What becomes of a request under a hard budget of money for which there is no price."""

    REFUSE = "refuse"
    """It is refused with 403: nobody could say what it takes from the budget."""
    ADMIT = "admit"
    """It is admitted, counted in a metric, and takes nothing from the budget."""
