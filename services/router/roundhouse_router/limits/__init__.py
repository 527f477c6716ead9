"""Admission by limits: in this process, or exact over several routers with Redis."""

from roundhouse_router.limits.api import CounterUse, Grant, Limiter
from roundhouse_router.limits.process import ProcessLimiter

__all__ = ["CounterUse", "Grant", "Limiter", "ProcessLimiter"]
