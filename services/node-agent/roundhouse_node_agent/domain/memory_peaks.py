"""What engines took at most so far, and what the scheduler was told of it."""

from collections.abc import Iterable, Mapping

from roundhouse_node_agent.domain.usage import EngineUsage

__all__ = ["MemoryPeaks"]

_WORTH_TELLING = 1.1
"""Growth by less than a tenth waits for the next regular report."""


class MemoryPeaks:
    """Told figures change only with `tell`: a heartbeat's digest must be that of the report that was written."""

    def __init__(self) -> None:
        self._peaks: dict[str, tuple[int, int]] = {}
        self._told: dict[str, int] = {}

    @property
    def told(self) -> Mapping[str, int]:
        """By replica, in bytes: on its fullest device, or of host memory."""
        return self._told

    def note(self, engines: Iterable[EngineUsage]) -> bool:
        """Take a reading; return whether it is worth a report of its own. A new attempt begins at 0."""
        is_worth_telling = False
        for engine in engines:
            replica_id, attempt = engine.run.replica_id, engine.run.attempt
            known_attempt, peak = self._peaks.get(replica_id, (attempt, 0))
            peak = max(peak if known_attempt == attempt else 0, _taken_bytes(engine))
            self._peaks[replica_id] = (attempt, peak)
            is_worth_telling |= peak > self._told.get(replica_id, 0) * _WORTH_TELLING
        return is_worth_telling

    def tell(self) -> None:
        """From now on the reports say what is known now."""
        self._told = {replica_id: peak for replica_id, (_, peak) in self._peaks.items() if peak > 0}

    def forget(self, replica_id: str) -> None:
        """Drop a replica that is history."""
        self._peaks.pop(replica_id, None)
        self._told.pop(replica_id, None)


def _taken_bytes(engine: EngineUsage) -> int:
    """With devices, what it takes on the fullest of them: 0 where the vendor does not tell. Else host memory."""
    if engine.run.assignment.device_uuids:
        return max(engine.device_memory_bytes.values(), default=0)
    return engine.memory_bytes
