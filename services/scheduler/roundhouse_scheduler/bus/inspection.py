"""Answers the catalog: what a model's files say, read by some node that has them."""

import asyncio
from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from sqlalchemy import select

from roundhouse_common.bus.api import Bus, BusUnavailable, RemoteError
from roundhouse_common.contracts.catalog import REMOTE_SOURCES
from roundhouse_common.contracts.models import InspectModel, ModelInspected
from roundhouse_common.contracts.registry import READ_MODEL_FACTS
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.database import Database
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import Clock
from roundhouse_scheduler.domain.records import NodeState
from roundhouse_scheduler.store import tables

__all__ = ["ModelInspection"]

_DEADLINE_S = 8.0
_AT_ONCE = 3
_REMOTE_DEADLINE_S = 36.0
"""The catalog waits for 40 s."""
_REMOTE_ASK_S = 28.0
"""A node gives up after 25 s: headers of files are read over the internet."""
_REMOTE_AT_ONCE = 2
"""Every node is as near to the internet as any other, as far as anybody knows: a second one is for luck."""
_MOST_NODES = 30
_MOST_REASONS = 5


class _Host(NamedTuple):
    node_id: str
    hostname: str


class ModelInspection:
    """Asks nodes that are heard, a few at a time, until one knows or the time is over.

    Files on a node's disk are known to some nodes only, so all are asked. Files elsewhere any node can read, so a few
    are: first those that have them. `holders` knows who has the files of a key.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        *,
        holders: Callable[[str], Set[str]],
        clock: Clock,
        deadline_s: float = _DEADLINE_S,
        remote_deadline_s: float = _REMOTE_DEADLINE_S,
    ) -> None:
        self._db = db
        self._bus = bus
        self._holders = holders
        self._clock = clock
        self._deadline_s = deadline_s
        self._remote_deadline_s = remote_deadline_s

    async def inspect(self, question: InspectModel, _ids: tuple[str, ...]) -> ModelInspected:
        """Return the first facts without a gap, else the first with gaps, else why nobody has any."""
        is_remote = question.source.kind in REMOTE_SOURCES
        until = self._clock.monotonic() + (self._remote_deadline_s if is_remote else self._deadline_s)
        at_once = _REMOTE_AT_ONCE if is_remote else _AT_ONCE
        hosts = await self._nodes()
        if not hosts:
            return ModelInspected(error="no node is heard that could read the model's files")
        if is_remote:
            having = self._holders(source_key(question.source))
            hosts.sort(key=lambda host: (host.node_id not in having, host.node_id))
        partly: ModelInspected | None = None
        reasons: list[str] = []
        for start in range(0, len(hosts), at_once):
            left_s = until - self._clock.monotonic()
            if left_s <= 0:
                reasons.append(f"{len(hosts) - start} nodes were not asked for lack of time")
                break
            for hostname, answer in await self._ask_all(hosts[start : start + at_once], question, left_s):
                if answer.facts is None:
                    reasons.append(f"{hostname}: {answer.error}")
                elif not answer.facts.gaps:
                    return answer
                else:
                    partly = partly or answer
            if is_remote and partly is not None:
                break  # other nodes would read the same
        return partly or ModelInspected(error=_joined(reasons))

    async def _ask_all(
        self, hosts: Sequence[_Host], question: InspectModel, timeout_s: float
    ) -> list[tuple[str, ModelInspected]]:
        """Return the answers in the order in which they came; none is waited for after one without a gap."""
        found: list[tuple[str, ModelInspected]] = []
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(host, question, timeout_s), name="inspect") for host in hosts]
            for coming in asyncio.as_completed(tasks):
                hostname, answer = await coming
                found.append((hostname, answer))
                if answer.facts is not None and not answer.facts.gaps:
                    break
            for task in tasks:
                task.cancel()
        return found

    async def _ask(self, host: _Host, question: InspectModel, timeout_s: float) -> tuple[str, ModelInspected]:
        """Return the host's name with its answer, or with why there is none."""
        is_remote = question.source.kind in REMOTE_SOURCES
        timeout_s = min(timeout_s, _REMOTE_ASK_S) if is_remote else timeout_s
        return host.hostname, await self._read(host.node_id, question, timeout_s)

    async def _read(self, node_id: str, question: InspectModel, timeout_s: float) -> ModelInspected:
        try:
            return await self._bus.request(READ_MODEL_FACTS, question, node_id, timeout_s=timeout_s)
        except (BusUnavailable, RemoteError) as error:
            return ModelInspected(node_id=node_id, error=error.message)

    async def _nodes(self) -> list[_Host]:
        """Return the nodes that are heard and let in."""
        query = (
            select(tables.nodes)
            .where(tables.nodes.c.state == NodeState.READY, tables.nodes.c.admission == NodeAdmission.APPROVED)
            .order_by(tables.nodes.c.node_id)
            .limit(_MOST_NODES)
        )
        async with self._db.read() as session:
            rows = (await session.execute(query)).all()
        return [_Host(row.node_id, row.inventory.hostname) for row in rows]


def _joined(reasons: Sequence[str]) -> str:
    """Join what nodes said; many nodes that say the same are not all listed."""
    shown = list(dict.fromkeys(reasons))
    more = f"; and {len(shown) - _MOST_REASONS} more" if len(shown) > _MOST_REASONS else ""
    return "; ".join(shown[:_MOST_REASONS]) + more
