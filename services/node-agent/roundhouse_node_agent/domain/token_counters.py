"""What engines have counted since their start, of those that run and, for a while, of those that ended."""

from collections.abc import Iterable

import msgspec

from roundhouse_common.contracts.node import EngineCounters
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineRun, EngineSample

__all__ = ["TokenCounters"]

_TOLD_AFTER_END_S = 24 * 3600.0
"""So long metering, or the bus, may be away without missing the last reading of an engine that ended meanwhile."""
_MOST_ENDED = 512

_Key = tuple[str, int, int]


class TokenCounters:
    """The last reading of each run. An agent that starts anew reads those that run again; their counters went on."""

    def __init__(self) -> None:
        self._running: dict[_Key, EngineCounters] = {}
        self._ended: dict[_Key, EngineCounters] = {}
        self.is_kept = True
        """False: another engine has ended since `ended` was kept."""

    @property
    def ended(self) -> tuple[EngineCounters, ...]:
        """What is still told of engines that ended: to be kept for the agent's next life."""
        return tuple(self._ended.values())

    def take_up(self, kept: Iterable[EngineCounters]) -> None:
        """Go on with what a former life of the agent kept."""
        self._ended = {(one.replica_id, one.attempt, one.launch): one for one in kept} | self._ended

    def note(self, run: EngineRun, sample: EngineSample | None, at: UnixTime) -> None:
        """Take a reading; None of an engine that told nothing. A reading after the end is none."""
        key = _key(run)
        if key in self._ended or (run.assignment.gang is not None and run.assignment.gang.rank > 0):
            return  # members of a gang beside its head serve nobody by themselves
        if sample is None:
            self._running.setdefault(key, _counters(run, EngineSample(running=0, waiting=0), at))
        else:
            self._running[key] = _counters(run, sample, at)

    def has(self, run: EngineRun) -> bool:
        """Whether the run was read and goes on."""
        return _key(run) in self._running

    def end(self, run: EngineRun, at: UnixTime) -> None:
        """The run is over: what was read last is its final count, as far as it is known."""
        last = self._running.pop(_key(run), None)
        if last is not None:
            self._ended[_key(run)] = msgspec.structs.replace(last, ended_at=at)
            self.is_kept = False
            while len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]

    def told(self, now: UnixTime) -> tuple[EngineCounters, ...]:
        """Return what a sample of the node says of its engines."""
        for key in [key for key, last in self._ended.items() if last.ended_at < now - _TOLD_AFTER_END_S]:
            del self._ended[key]
        return (*self._running.values(), *self._ended.values())


def _key(run: EngineRun) -> _Key:
    return run.replica_id, run.attempt, run.launch


def _counters(run: EngineRun, sample: EngineSample, at: UnixTime) -> EngineCounters:
    totals = (sample.input_tokens_total, sample.cached_input_tokens_total, sample.output_tokens_total)
    read, cached, written = (-1 if total is None else round(total) for total in totals)
    return EngineCounters(
        replica_id=run.replica_id,
        deployment_id=run.assignment.deployment_id,
        attempt=run.attempt,
        launch=run.launch,
        engine=run.assignment.version.engine.value,
        started_at=run.started_at,
        read_at=at,
        input_tokens=read,
        cached_input_tokens=cached,
        output_tokens=written,
    )
