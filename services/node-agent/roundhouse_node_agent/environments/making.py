"""Making one engine usable: build its environment, look at a path, or pull an image; then ask it for its version."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from roundhouse_common.contracts.provisioning import InstallMethod
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.discovery import verified, version_in
from roundhouse_node_agent.engines.engine import Engine
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.containers import client_environment, in_image, pull
from roundhouse_node_agent.environments.entry import Entry
from roundhouse_node_agent.environments.installer import Installer, NotInstalled
from roundhouse_node_agent.environments.paths import runtime_at
from roundhouse_node_agent.environments.plan import VERIFYING, Step, Tools, installation
from roundhouse_node_agent.environments.progress import advice_for
from roundhouse_node_agent.environments.recipe import Recipe
from roundhouse_node_agent.environments.store import EnvironmentStore

__all__ = ["Maker", "OnStep"]

OnStep = Callable[[str, bool], None]
"""Hears what is being done, and whether the engine is already being asked."""

_MIB: Final = 1024**2
_IMAGE_ANSWERS_WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes engines; what fails leaves nothing but its log."""

    store: EnvironmentStore
    installer: Installer
    tools: Callable[[], Tools]
    containers: ContainerTool
    recipes: Mapping[str, Recipe]
    headroom_bytes: int
    """What an installation must leave free on the disk."""

    async def make(self, entry: Entry, driver: Engine, on_step: OnStep) -> tuple[EngineRuntime, int]:
        """Return the runtime and what it takes on the disk. Raises NotInstalled. Nothing of it runs afterwards."""
        match entry.told.method:
            case InstallMethod.PATH:
                return await asyncio.to_thread(self._at_path, entry, driver), 0
            case InstallMethod.IMAGE:
                return await self._pull(entry, driver, on_step), 0
            case _:
                return await self._build(entry, driver, on_step)

    async def reopened(self, entry: Entry, driver: Engine) -> EngineRuntime | None:
        """Return the runtime of what was made before, or None when it does not answer any more."""
        try:
            match entry.told.method:
                case InstallMethod.PATH:
                    return await asyncio.to_thread(self._at_path, entry, driver)
                case InstallMethod.IMAGE:
                    has_tool = await asyncio.to_thread(self.containers.program)
                    return self._in_image(entry, entry.told.version) if has_tool else None
                case _:
                    return await asyncio.to_thread(self._asked, self._environment(entry), driver)
        except NotInstalled:
            return None

    async def _build(self, entry: Entry, driver: Engine, on_step: OnStep) -> tuple[EngineRuntime, int]:
        build = entry.build
        if build is None:
            raise NotInstalled(f"this agent has no recipe for {entry.environment_id} any more; remove it")
        name = entry.environment_id
        try:
            await asyncio.to_thread(self._check_room, build.variant.disk_bytes)
            log_file = await asyncio.to_thread(self.store.begin_log, name)
            directory = await asyncio.to_thread(self.store.begin_build, name, build.variant.excluded)
            steps = installation(build, directory, self.tools())
            await self.installer.run(steps, log_file, lambda step: on_step(step, step == VERIFYING))
            runtime = await asyncio.to_thread(self._asked, self._environment(entry), driver)
        except OSError as error:
            await asyncio.to_thread(self.store.finish_build, name, is_kept=False)
            raise _cannot_write(error) from error
        except NotInstalled:  # but not when cancelled: a restart goes on with what was fetched, a removal drops it all
            await asyncio.to_thread(self.store.finish_build, name, is_kept=False)
            raise
        await asyncio.to_thread(self.store.finish_build, name, is_kept=True)
        return runtime, await asyncio.to_thread(self.store.size_bytes, name)

    async def _pull(self, entry: Entry, driver: Engine, on_step: OnStep) -> EngineRuntime:
        tool = await asyncio.to_thread(self.containers.program)
        if not tool:
            raise NotInstalled("neither Docker nor Podman answers on this node; install one, or use another method")
        tools = self.tools()
        env = {**tools.environment, **client_environment(os.environ)}
        runtime = self._in_image(entry, "")
        asked = driver.version_command(runtime)
        steps = []
        if not await asyncio.to_thread(self.containers.has_image, entry.image):
            argv = pull(tool, entry.image)
            steps.append(Step(name=f"pulling {entry.image}", argv=argv, env=env, within_s=tools.within_s))
        if asked:
            argv = in_image(tool, entry.image, asked)
            steps.append(Step(name=VERIFYING, argv=argv, env=env, within_s=_IMAGE_ANSWERS_WITHIN_S))
        try:
            log_file = await asyncio.to_thread(self.store.begin_log, entry.environment_id)
        except OSError as error:
            raise _cannot_write(error) from error
        said = await self.installer.run(steps, log_file, lambda step: on_step(step, step == VERIFYING))
        return replace(runtime, version=version_in("\n".join(said)) if asked else entry.told.version)

    def _at_path(self, entry: Entry, driver: Engine) -> EngineRuntime:
        recipe = self.recipes.get(entry.told.engine)
        given = runtime_at(entry.told.engine, recipe.program if recipe is not None else "", entry.path)
        return self._asked(replace(given, environment_id=entry.environment_id), driver)

    def _asked(self, runtime: EngineRuntime, driver: Engine) -> EngineRuntime:
        found = verified(driver, runtime)
        if found is None:
            where = runtime.program or runtime.python
            raise NotInstalled(f"{where} does not answer with a version of {runtime.kind}")
        return found

    def _environment(self, entry: Entry) -> EngineRuntime:
        home = self.store.directory(entry.environment_id) / "env" / "bin"
        recipe = self.recipes.get(entry.told.engine)
        return EngineRuntime(
            kind=entry.told.engine,
            python=str(home / "python"),
            program=str(home / recipe.program) if recipe is not None and recipe.program else "",
            origin="installed by this node",
            environment_id=entry.environment_id,
            environment=dict(entry.build.variant.environment) if entry.build is not None else {},
        )

    def _in_image(self, entry: Entry, version: str) -> EngineRuntime:
        recipe = self.recipes.get(entry.told.engine)
        return EngineRuntime(
            kind=entry.told.engine,
            version=version,
            python="python3",
            program=recipe.program if recipe is not None else "",
            origin=f"image {entry.image}",
            environment_id=entry.environment_id,
            image=entry.image,
        )

    def _check_room(self, needed_bytes: int) -> None:
        self.store.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = self.store.free_bytes()
        wanted = needed_bytes + self.headroom_bytes
        if free < wanted:
            raise NotInstalled(
                f"it takes about {needed_bytes // _MIB:,} MiB and must leave {self.headroom_bytes // _MIB:,} MiB"
                f" free, and {self.store.root} has {free // _MIB:,} MiB left; free room on the node"
            )


def _cannot_write(error: OSError) -> NotInstalled:
    advice = advice_for((str(error),))
    return NotInstalled(f"{error}; {advice}" if advice else str(error))
