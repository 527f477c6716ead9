"""How a run ended, from what its shim wrote down and what its log says. Blocking."""

from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineExit
from roundhouse_node_agent.engines.diagnosis import diagnose
from roundhouse_node_agent.engines.engine import Ending, Engine
from roundhouse_node_agent.processes.log_files import read_tail
from roundhouse_node_agent.processes.log_queries import plain_text
from roundhouse_node_agent.processes.run_store import RunStore, StoredRun

__all__ = ["exit_of"]

_LINES = 200
_BYTES = 262_144
_OWN_LINES = "[roundhouse] "


def exit_of(store: RunStore, stored: StoredRun, engine: Engine | None, now: UnixTime) -> EngineExit:
    """Return how the run ended, after making sure that nothing of it is left. `engine` None: unknown to this agent."""
    store.kill(stored)
    noted = stored.exit
    at = UnixTime(noted.at) if noted is not None else now
    stop_reason = _stop_reason(stored)
    if stop_reason is not None:
        was_killed = noted is not None and noted.signal is not None
        summary = "it was stopped" + (f" (signal {noted.signal})" if noted is not None and was_killed else "")
        diagnosis = Diagnosis(kind="stopped", summary=summary)
    else:
        diagnosis = _diagnosis(stored, engine, at)
    return EngineExit(
        at=at,
        code=noted.code if noted is not None else None,
        signal=noted.signal if noted is not None else None,
        stop_reason=stop_reason,
        diagnosis=diagnosis,
    )


def _stop_reason(stored: StoredRun) -> Reason | None:
    if stored.stop is not None:
        return stored.stop.reason
    return Reason.STOPPED_AS_ASKED if stored.exit is not None and stored.exit.was_asked else None


def _diagnosis(stored: StoredRun, engine: Engine | None, at: UnixTime) -> Diagnosis:
    ending = Ending(
        code=stored.exit.code if stored.exit is not None else None,
        signal=stored.exit.signal if stored.exit is not None else None,
        lines=_last_lines(stored),
        ran_s=max(0.0, at - stored.process.started_at) if stored.process is not None else 0.0,
    )
    return engine.diagnose(ending) if engine is not None else diagnose(ending, ())


def _last_lines(stored: StoredRun) -> list[str]:
    """Return what the engine itself said last in this run: lines of former attempts explain nothing."""
    tail = read_tail(stored.directory.log_dir, _LINES, _BYTES)
    lines = plain_text(tail.data).splitlines() if tail is not None else []
    begin = f"{_OWN_LINES}attempt {stored.directory.attempt}:"
    starts = [number for number, line in enumerate(lines) if line.startswith(begin)]
    recent = lines[starts[-1] + 1 :] if starts else lines
    return [line for line in recent if not line.startswith(_OWN_LINES)]
