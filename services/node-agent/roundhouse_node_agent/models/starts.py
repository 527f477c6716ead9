"""Replicas' starts that wait for model files, and how each ends: with a path, or with why there will be none."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.provisioning import Peer
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import Clock
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.domain.model_files import Need
from roundhouse_node_agent.transfers.store import StoredFiles

__all__ = ["Starts"]


@dataclass(slots=True, kw_only=True)
class _Start:
    key: str
    need: Need
    answer: asyncio.Future[str]
    failures: int = 0


class Starts:
    """Failures that may pass end a start only after `tries`; the scheduler then begins another one."""

    def __init__(self, clock: Clock, *, tries: int) -> None:
        self._clock = clock
        self._tries = tries
        self._waiting: list[_Start] = []

    @property
    def needs(self) -> list[Need]:
        return [start.need for start in self._waiting]

    @property
    def keys(self) -> frozenset[str]:
        """Of the files that are waited for."""
        return frozenset(start.key for start in self._waiting)

    async def wait(self, source: ModelSource, name: str, peers: tuple[Peer, ...]) -> str:
        """Return the path once the files are whole. Raises ModelUnavailable."""
        start = _Start(
            key=source_key(source),
            need=Need(source=source, name=name, since=self._clock.monotonic(), peers=peers),
            answer=asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(start)
        try:
            return await start.answer
        finally:
            self._waiting.remove(start)

    def failed(self, key: str, message: str, *, is_retryable: bool) -> None:
        """A transfer of these files ended badly."""
        for start in self._of(key):
            start.failures += 1
            if not is_retryable:
                start.answer.set_exception(ModelUnavailable(message))
            elif start.failures >= self._tries:
                start.answer.set_exception(ModelUnavailable(f"{message} (tried {start.failures} times)"))

    def look(self, stored: Mapping[str, StoredFiles]) -> None:
        """End those whose files are here. Those whose files somebody has paused wait: a pause is no failure."""
        for key in self.keys:
            found = stored.get(key)
            for start in self._of(key):
                if found is not None:
                    start.answer.set_result(found.path)

    def _of(self, key: str) -> list[_Start]:
        return [start for start in self._waiting if start.key == key and not start.answer.done()]
