"""Run a scenario on a fresh loop."""

import asyncio
import functools
import gc
import random
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from roundhouse_common.database import Database
from roundhouse_common.errors import RoundhouseError
from roundhouse_scheduler.domain.rules import Rules
from tests.simulation.loop import Deadlock, VirtualTimeLoop, run
from tests.simulation.trace import Trace, traced
from tests.simulation.world import World, open_world
from tests.support.databases import migrating_here

__all__ = ["Scenario", "SimulationFailed", "simulate"]

_LAST_LINES = 40


class SimulationFailed(AssertionError):
    """A scenario did not hold. Says how to see it again."""

    def __init__(self, scenario: "Scenario", seed: int, trace: Trace, error: Exception) -> None:
        last = "\n".join(trace.lines[-_LAST_LINES:])
        again = f"; again with: python -m tests.simulation.replay {seed}" if scenario.__name__ == "chaos" else ""
        super().__init__(f"seed {seed}: {error}{again}\nthe last lines of its trace:\n{last}")
        self.trace = trace


Scenario = Callable[[World], Coroutine[Any, Any, None]]


@functools.cache
def empty_record() -> bytes:
    """Return a migrated database file. Made once per process, in real time: it takes longer than a scenario."""
    with tempfile.TemporaryDirectory(prefix="rh-sim-record-") as directory:
        file = Path(directory) / "scheduler.db"
        db = Database(f"sqlite+aiosqlite:///{file}", service="scheduler")
        with migrating_here():
            asyncio.run(db.migrate("roundhouse_scheduler.migrations"))
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return file.read_bytes()


def simulate(scenario: Scenario, seed: int = 0, *, rules: Rules | None = None) -> Trace:
    """Run the scenario to its end and return what happened. Raises what it raises, with the seed noted."""
    record = empty_record()
    loop = VirtualTimeLoop(random.Random(seed))

    async def main() -> None:
        async with open_world(loop, seed, record=record, trace=trace, rules=rules) as world:
            await scenario(world)
            world.oracle.complain()

    gc.disable()  # a run is short, and its garbage goes with it
    with traced(loop) as trace:
        try:
            run(main(), loop)
        except (AssertionError, Deadlock, RoundhouseError) as error:
            raise SimulationFailed(scenario, seed, trace, error) from error
        finally:
            gc.enable()
    return trace
