"""The seam between deciding and doing: everything an agent asks of the machine it runs on.

`processes.local_host.LocalHost` does it for real; `tests/support/fake_host.py` does it on virtual time.
"""

from collections.abc import Sequence
from typing import Protocol

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.contracts.node import EngineCounters, LogChunk, LogQuery, NodeInventory
from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineExit, EngineRun, EngineSample, Health
from roundhouse_node_agent.domain.usage import HostUsage

__all__ = ["Host"]


class Host(Protocol):
    """One machine. Everything it remembers outlives the agent's process."""

    async def highest_epoch(self) -> int:
        """Return the highest epoch ever kept on this host; 0 before the first."""

    async def keep_epoch(self, epoch: int) -> None:
        """Remember an epoch. Raises StateDirUnusable when it cannot be made durable."""

    async def kept_counters(self) -> Sequence[EngineCounters]:
        """Return what `keep_counters` kept last, also in a former life of the agent."""

    async def keep_counters(self, ended: Sequence[EngineCounters]) -> None:
        """Remember what engines that ended had counted. Never raises: without room it holds for this life only."""

    async def inventory(self) -> NodeInventory:
        """Return what the machine has now."""

    async def usage(self, runs: Sequence[EngineRun]) -> HostUsage:
        """Read what the machine, its devices and these runs use; has a deadline of its own. A run that is gone is
        left out."""

    async def inspect(self, source: ModelSource) -> ModelInspected:
        """Return what the model's files on this machine say, or why nothing can be told. Has a deadline of its own."""

    async def preview(self, query: RenderCommand) -> CommandRendered:
        """Return the command that such an engine would be started with now, or why it would not; starts nothing."""

    async def adopt(self) -> Sequence[EngineRun]:
        """Return every replica's newest run that this host remembers: running ones (adopted) and ended ones."""

    def cannot_run(self, assignment: Assignment) -> str | None:
        """Return why this host could never start it (engine unknown, parameters wrong), or None."""

    def lacks_engine(self, assignment: Assignment) -> bool:
        """Whether its engine has to be installed first."""

    async def ensure_engine(self, assignment: Assignment) -> None:
        """Return when its engine is there, installing it when need be. Raises EngineUnavailable. Whoever gives up
        waiting does not end the installation."""

    async def fetch(self, assignment: Assignment) -> str:
        """Return the path of the model's file, fetching it when need be. Raises ModelUnavailable."""

    async def launch(self, assignment: Assignment, model_path: str, *, epoch: int, launch: int) -> EngineRun:
        """Start the engine and return at once. Raises LaunchFailed. A (replica, attempt, launch) is started once."""

    async def wait(self, run: EngineRun) -> EngineExit:
        """Return when nothing of the run is left, with a diagnosis."""

    async def health(self, run: EngineRun) -> Health:
        """Ask the engine whether it is ready. Never raises; has a deadline of its own."""

    async def is_working(self, run: EngineRun) -> bool:
        """Whether the run's processes used the processor since the last call: busy is not dead."""

    async def sample(self, run: EngineRun) -> EngineSample | None:
        """Read the engine's own metrics; None when it did not answer in time."""

    async def is_connected(self, run: EngineRun) -> bool | None:
        """Whether anybody holds a connection to the engine; None where that cannot be told."""

    async def mark_ready(self, run: EngineRun, at: UnixTime) -> None:
        """Remember that the run was ready, for the agent's next life."""

    async def stop(self, run: EngineRun, reason: Reason) -> None:
        """Have the run ended: SIGTERM to its group, SIGKILL after the grace. Once asked it happens, whoever dies.

        May return before or after the end; `wait` tells when. Safe to repeat; the first reason stays.
        """

    async def note_contact(self, age_s: float) -> None:
        """The scheduler was heard so long ago: what the guards of fenced engines go by when this agent is dead."""

    async def forget(self, replica_id: str) -> None:
        """The replica is history: its run is remembered no more, its log stays readable for a while."""

    async def read_log(self, query: LogQuery) -> LogChunk:
        """Return a range of a replica's log, also of an ended one."""
