"""Answers the catalog: what a model's files say, read by some node that has them."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import select

from roundhouse_common.bus.api import Bus, BusUnavailable, RemoteError
from roundhouse_common.contracts.models import InspectModel, ModelInspected
from roundhouse_common.contracts.registry import READ_MODEL_FACTS
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.records import NodeState
from roundhouse_scheduler.store import tables

__all__ = ["ModelInspection"]

_DEADLINE_S = 8.0
_AT_ONCE = 3
_MOST_NODES = 30
_MOST_REASONS = 5


class ModelInspection:
    """Asks the nodes that are heard, three at a time, until one knows or the time is over."""

    def __init__(self, db: Database, bus: Bus, *, clock: Clock, deadline_s: float = _DEADLINE_S) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._deadline_s = deadline_s

    async def inspect(self, question: InspectModel, _ids: tuple[str, ...]) -> ModelInspected:
        """Return the first facts without a gap, else the first with gaps, else why nobody has any."""
        until = self._clock.monotonic() + self._deadline_s
        hosts = await self._nodes()
        if not hosts:
            return ModelInspected(error="no node is heard that could read the model's files")
        partly: ModelInspected | None = None
        reasons: list[str] = []
        for start in range(0, len(hosts), _AT_ONCE):
            left_s = until - self._clock.monotonic()
            if left_s <= 0:
                reasons.append(f"{len(hosts) - start} nodes were not asked for lack of time")
                break
            batch = hosts[start : start + _AT_ONCE]
            answers = await asyncio.gather(*(self._ask(node_id, question, left_s) for node_id, _ in batch))
            for (_, hostname), answer in zip(batch, answers, strict=True):
                if answer.facts is None:
                    reasons.append(f"{hostname}: {answer.error}")
                elif not answer.facts.gaps:
                    return answer
                else:
                    partly = partly or answer
        return partly or ModelInspected(error=_joined(reasons))

    async def _ask(self, node_id: str, question: InspectModel, timeout_s: float) -> ModelInspected:
        try:
            return await self._bus.request(READ_MODEL_FACTS, question, node_id, timeout_s=timeout_s)
        except (BusUnavailable, RemoteError) as error:
            return ModelInspected(node_id=node_id, error=error.message)

    async def _nodes(self) -> list[tuple[str, str]]:
        """Return id and host name of nodes that are heard and let in."""
        query = (
            select(tables.nodes)
            .where(tables.nodes.c.state == NodeState.READY, tables.nodes.c.admission == NodeAdmission.APPROVED)
            .order_by(tables.nodes.c.node_id)
            .limit(_MOST_NODES)
        )
        async with self._db.read() as session:
            rows = (await session.execute(query)).all()
        return [(row.node_id, row.inventory.hostname) for row in rows]


def _joined(reasons: Sequence[str]) -> str:
    """Join what nodes said; many nodes that say the same are not all listed."""
    shown = list(dict.fromkeys(reasons))
    more = f"; and {len(shown) - _MOST_REASONS} more" if len(shown) > _MOST_REASONS else ""
    return "; ".join(shown[:_MOST_REASONS]) + more
