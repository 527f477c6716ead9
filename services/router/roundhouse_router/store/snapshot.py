"""The last known routing table on disk: what a router starts from while the bus is away."""

from pathlib import Path
from typing import Final

import msgspec

from roundhouse_common.contracts.identity import TenantRecord
from roundhouse_common.contracts.money import BudgetRecord, PriceRecord
from roundhouse_common.contracts.routing import ApiKeyRecord, LimitRecord, ProviderRecord, RouteRecord
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_common.service import get_logger
from roundhouse_router.domain.limits import SavedCounter
from roundhouse_router.store.files import replace_file

__all__ = ["SavedTable", "load_newest", "load_table", "save_table"]

_NAME: Final = "snapshot.json"
_log = get_logger(__name__)


class SavedTable(msgspec.Struct, frozen=True, kw_only=True):
    """The buckets as last heard, by their keys. It holds engine keys, hence the file's mode of 600.

    What is new in it has a default: a router starts from the snapshot of the one before it.
    """

    format: int = 1
    saved_at: float
    keys: dict[str, ApiKeyRecord]
    routes: dict[str, RouteRecord]
    endpoints: dict[str, DeploymentEndpoints]
    providers: dict[str, ProviderRecord] = {}
    limits: dict[str, LimitRecord] = {}
    prices: dict[str, PriceRecord] = {}
    budgets: dict[str, BudgetRecord] = {}
    has_budgets: bool = True
    """Whether all budgets there were are here: False of a router that had never heard."""
    spent: dict[str, SavedCounter] = {}
    """Of budgets, as this router counted it; none with Redis."""
    tenants: dict[str, TenantRecord] = {}


def load_table(directory: Path) -> SavedTable | None:
    """Return what was saved; None when there is nothing, or nothing readable (which is logged)."""
    path = directory / _NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=SavedTable)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        _log.error("snapshot_unreadable", path=str(path), error=str(error))
        return None


def load_newest(*directories: Path) -> SavedTable | None:
    """Return what was saved last in any of them: a worker that is new starts from what another one heard."""
    saved = [table for directory in dict.fromkeys(directories) if (table := load_table(directory)) is not None]
    return max(saved, key=lambda table: table.saved_at, default=None)


def save_table(directory: Path, table: SavedTable) -> None:
    """Replace the snapshot durably. Raises OSError."""
    replace_file(directory / _NAME, msgspec.json.encode(table), is_durable=True)
