"""The seam for what a machine keeps ready: model files and engines, ordered ahead of need or needed by a replica.

`models.keeper.LocalKeeper` does it for real; `tests/support/fake_keeper.py` does it on virtual time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from roundhouse_common.contracts.provisioning import (
    CleanStore,
    EngineEnvironment,
    EngineOrder,
    NodeOrders,
    StoreCleaned,
    StoredModel,
)

__all__ = ["Contents", "Environments", "Keeper", "NoEnvironments", "Transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is kept now, and where other nodes copy from."""

    orders_revision: int = 0
    disk_total_bytes: int = 0
    disk_free_bytes: int = 0
    engines: tuple[EngineEnvironment, ...] = ()
    models: tuple[StoredModel, ...] = ()
    files_url: str = ""
    files_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How far one model's files are."""

    key: str
    stored_bytes: int
    total_bytes: int
    rate_bytes_s: float
    left_s: float
    origin: str


class Keeper(Protocol):
    """What it was told and what it has outlives the agent's process."""

    async def take(self, orders: NodeOrders) -> bool:
        """Take in a document and keep it on disk, unless it is older than the one that is known. Return whether."""

    async def run(self, used: Callable[[], frozenset[str]]) -> None:
        """Make what is kept equal to what is wanted, until cancelled. `used`: keys of files that replicas have now."""

    def contents(self) -> Contents | None:
        """Return what is kept; None before the first look, when nothing is known yet."""

    def transfers(self) -> tuple[Transfer, ...]:
        """Return what is being fetched now."""

    async def clean(self, query: CleanStore) -> StoreCleaned:
        """Delete what nothing uses, or tell what would be deleted."""


class Environments(Protocol):
    """Engines that are installed by order."""

    async def take(self, orders: tuple[EngineOrder, ...]) -> None:
        """Take in what is ordered now, whole. What is not listed is left as it is."""

    def states(self) -> tuple[EngineEnvironment, ...]:
        """Return every engine that was installed or found, and every one that is being installed."""


class NoEnvironments:
    """A machine that installs no engines."""

    async def take(self, orders: tuple[EngineOrder, ...]) -> None:
        """Nothing can be done about them."""

    def states(self) -> tuple[EngineEnvironment, ...]:
        return ()
