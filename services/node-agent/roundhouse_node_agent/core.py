"""The agent: one node's share of the platform.

It does no I/O of its own: the bus, the host, the clocks, the ids and the randomness come from outside, so that
`tests/simulation` runs this very class on virtual time with a fake host and a memory bus:

    agent = NodeAgent(node_id=..., bus=..., host=FakeHost(...), clock=..., ids=..., rng=..., options=AgentOptions())
    await agent.run()          # or: start(), then each of loops() under a supervisor
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog

from roundhouse_common.bus.api import Bus
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.models import InspectModel, ModelInspected
from roundhouse_common.contracts.node import LogChunk, LogQuery
from roundhouse_common.contracts.provisioning import CleanStore, StoreCleaned
from roundhouse_common.contracts.registry import CLEAN_STORE, READ_LOG, READ_MODEL_FACTS, RENDER_COMMAND
from roundhouse_common.runtime import Clock, Ids, NodeId
from roundhouse_node_agent.context import AgentContext, AgentOptions
from roundhouse_node_agent.domain.host import Host
from roundhouse_node_agent.domain.keeper import Keeper
from roundhouse_node_agent.domain.replica import adopted
from roundhouse_node_agent.loops import (
    assignments,
    engines,
    fence,
    heartbeat,
    orders,
    provisioning,
    reconcile,
    registration,
    report,
    sampling,
)

__all__ = ["AgentOptions", "NodeAgent"]

_log = structlog.get_logger(__name__)


class NodeAgent:
    """One node's agent. `context` is what it knows; tests and simulations may read it, never change it."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        bus: Bus,
        host: Host,
        clock: Clock,
        ids: Ids,
        rng: random.Random,
        options: AgentOptions,
        on_superseded: Callable[[], None] | None = None,
        on_removed: Callable[[], None] | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """Without a `keeper` nothing is kept ready on this machine, and orders are not looked at."""
        self.keeper = keeper
        self.context = AgentContext(
            node_id=node_id,
            bus=bus,
            host=host,
            clock=clock,
            ids=ids,
            rng=rng,
            options=options,
            on_superseded=on_superseded,
            on_removed=on_removed,
        )

    async def start(self) -> None:
        """Adopt what former agents left and answer questions. Needs no network."""
        context = self.context
        context.inventory = await context.host.inventory()
        context.counters.take_up(await context.host.kept_counters())
        for run in await context.host.adopt():
            context.replicas[run.replica_id] = adopted(run, context.clock.now())
            _log.info("engine_adopted", replica_id=run.replica_id, pid=run.pid, is_running=run.ended is None)
        await context.bus.serve(READ_LOG, self._read_log, context.node_id)
        await context.bus.serve(READ_MODEL_FACTS, self._read_model_facts, context.node_id)
        await context.bus.serve(RENDER_COMMAND, self._render_command, context.node_id)
        if self.keeper is not None:
            await context.bus.serve(CLEAN_STORE, self._clean_store, context.node_id)
        context.registration_due.set()
        context.engines_due.set()

    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Return the loops to supervise, by name. Each can be restarted at any time."""
        context, keeper = self.context, self.keeper
        kept: dict[str, Callable[[], Awaitable[None]]] = {}
        if keeper is not None:
            kept = {
                "orders": lambda: orders.run(context, keeper),
                "provisioning": lambda: provisioning.run(context, keeper),
                "store-telling": lambda: provisioning.run_telling(context, keeper),
                "transfer-progress": lambda: provisioning.run_progress(context, keeper),
            }
        return {
            **kept,
            "registration": lambda: registration.run(context),
            "assignments": lambda: assignments.run_projection(context),
            "confirmation": lambda: assignments.run_confirmation(context),
            "reconcile": lambda: reconcile.run(context),
            "engines": lambda: engines.run(context),
            "report": lambda: report.run(context),
            "heartbeat": lambda: heartbeat.run(context),
            "fence": lambda: fence.run(context),
            "sampling": lambda: sampling.run(context),
        }

    async def run(self) -> None:
        """Start and run every loop until cancelled; engines are left running."""
        await self.start()
        async with asyncio.TaskGroup() as tasks:
            for name, loop in self.loops().items():
                tasks.create_task(_awaited(loop), name=f"agent-{name}")

    async def _read_log(self, query: LogQuery, _ids: tuple[str, ...]) -> LogChunk:
        return await self.context.host.read_log(query)

    async def _clean_store(self, query: CleanStore, _ids: tuple[str, ...]) -> StoreCleaned:
        assert self.keeper is not None  # it is served only with one
        return await self.keeper.clean(query)

    async def _render_command(self, query: RenderCommand, _ids: tuple[str, ...]) -> CommandRendered:
        return await self.context.host.preview(query)

    async def _read_model_facts(self, question: InspectModel, _ids: tuple[str, ...]) -> ModelInspected:
        found = await self.context.host.inspect(question.source)
        return msgspec.structs.replace(found, node_id=self.context.node_id)


async def _awaited(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()
