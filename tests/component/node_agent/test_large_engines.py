"""The recipes of large engines for the processor can be followed: some GB and minutes each. `scripts/test --slow`."""

import asyncio
import contextlib
import os
import platform
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.provisioning import EngineEnvironment, EngineOrder, EnvironmentState
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.installer import Installer
from roundhouse_node_agent.environments.making import Maker
from roundhouse_node_agent.environments.manager import EngineEnvironments
from roundhouse_node_agent.environments.packages import tools_of
from roundhouse_node_agent.environments.recipe import load_recipes
from roundhouse_node_agent.environments.store import EnvironmentStore
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.contract("A04"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="torch for the processor is looked for on x86_64"),
]
LARGE = (EngineKind.TRANSFORMERS, EngineKind.XINFERENCE, EngineKind.VLLM)


@pytest.mark.parametrize("kind", LARGE)
async def test_a_large_engine_is_installed_from_its_pins_and_states_its_version(
    kind: EngineKind, tmp_path: Path
) -> None:
    recipes = load_recipes()
    variant = recipes[kind.value].variants["cpu"]
    store = EnvironmentStore(tmp_path / "engines")
    tools = tools_of(os.environ, home=Path.home(), index="", extra_indexes=(), find_links=(), within_s=1500.0)
    maker = Maker(
        store=store,
        installer=Installer(silence_s=300.0),
        tools=lambda: tools,
        containers=ContainerTool(lambda _: None),
        recipes=recipes,
        headroom_bytes=10**9,
    )
    engines = EngineEnvironments(
        store=store, maker=maker, drivers=all_engines(), clock=SystemClock(), may_install=True, in_use=tuple
    )
    await engines.open(())
    running = asyncio.create_task(engines.run())
    try:
        await engines.take((EngineOrder(order_id="ord_1", engine=kind),))

        def over() -> EngineEnvironment:
            [told] = engines.states()
            assert told.state in (EnvironmentState.READY, EnvironmentState.FAILED), told.step
            return told

        told = await eventually(over, within_s=1600, every_s=0.5)

        assert (told.state, told.version) == (EnvironmentState.READY, variant.versions[0]), f"{told.detail}"
        assert told.size_bytes == pytest.approx(variant.disk_bytes, rel=0.25), "what the recipe says of its size"
        runtime = engines.find(kind.value, "")
        assert runtime is not None
        assert Path(runtime.program).is_file()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await asyncio.to_thread(store.remove, f"{kind.value}-{variant.versions[0]}-cpu")
