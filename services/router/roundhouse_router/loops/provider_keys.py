"""Forgets the keys of providers that are no more, and shows how many of the others rest."""

import asyncio
from typing import Final

from roundhouse_common.runtime import Clock
from roundhouse_router.bus.control_plane import ControlPlane
from roundhouse_router.providers.keys import ProviderKeys

__all__ = ["keep_provider_keys"]

_EVERY_S: Final = 5.0


async def keep_provider_keys(keys: ProviderKeys, control_plane: ControlPlane, clock: Clock) -> None:
    """Do so every few seconds: rests end without anybody saying so."""
    while True:
        await asyncio.sleep(_EVERY_S)
        keys.refresh(control_plane.table.providers, clock.now())
