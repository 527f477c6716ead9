"""Forgets old Idempotency-Keys."""

import asyncio
from typing import NoReturn

from roundhouse_common.http.idempotency import Idempotency

__all__ = ["sweep_idempotency_keys"]


async def sweep_idempotency_keys(idempotency: Idempotency, *, every_s: float) -> NoReturn:
    """Remove what is older than 24 hours, now and every `every_s`. A missed round costs only space."""
    while True:
        await idempotency.sweep()
        await asyncio.sleep(every_s)
