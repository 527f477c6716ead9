"""The usage records of a router that is gone, as its spool has them."""

from pathlib import Path

from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_router.store.reading import read_after
from roundhouse_router.store.spool import Spool, SpoolLimits
from roundhouse_router.store.writer import Position

__all__ = ["spooled"]


async def spooled(state_dir: Path) -> list[UsageRecord]:
    """Open the spool of a router that is gone and return every record."""
    spool = Spool.open(state_dir / "spool", limits=SpoolLimits(), clock=SystemClock(), ids=SystemIds())
    found: list[UsageRecord] = []
    try:
        await spool.sync()
        position = Position(0, 0)
        while True:
            batch, after = read_after(spool.directory, spool.writer, position)
            if after == position:
                return found
            found += [record for record, _ in batch]
            position = after
    finally:
        spool.close()
