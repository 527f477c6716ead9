"""What makes a router process one of several."""

import asyncio
from collections.abc import Callable
from typing import Final

from roundhouse_common.runtime import Clock
from roundhouse_common.service import Service
from roundhouse_router.settings import RouterSettings
from roundhouse_router.workers.peers import Peers
from roundhouse_router.workers.places import place_of

__all__ = ["join", "own_settings"]

_PARENT: Final = 0
"""Standard input, which the parent holds open."""


def own_settings(settings: RouterSettings) -> RouterSettings:
    """Return the settings with this worker's own state directory and name."""
    own = {"state_dir": place_of(settings.state_dir, settings.worker)}
    name = {"instance": f"{settings.instance}-{settings.worker}"} if settings.worker else {}
    return settings.model_copy(update={**own, **name})


def join(service: Service, settings: RouterSettings, clock: Clock) -> Peers | None:
    """Return what answers for all workers; None for a router that is one process."""
    if settings.workers_dir is None:
        return None
    peers = Peers(settings.workers_dir, settings.worker, settings.workers, clock)
    service.resource("workers", peers)
    service.loop("watch parent", lambda: _until_parent_ends(service.stop))
    return peers


async def _until_parent_ends(stop: Callable[[], None]) -> None:
    """Stop the service when the parent is gone, however it ended: workers that nobody keeps would hold the port."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(_PARENT, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(_PARENT)
    stop()
    await asyncio.Event().wait()
