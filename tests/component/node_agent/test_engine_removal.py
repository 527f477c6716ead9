"""Engines that go, and agents that go while an engine is installed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.provisioning import EnvironmentState
from tests.support.engine_node import TINY, EngineNode, running_below
from tests.support.engine_node import an_engine_order as an_order
from tests.support.eventually import eventually, never
from tests.support.tiny_engines import KIND, tiny_recipe, write_wheel

pytestmark = pytest.mark.timeout(90)
S = EnvironmentState


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EngineNode]:
    machine = EngineNode(tmp_path)
    yield machine
    await machine.die()


async def test_an_engine_in_use_is_removed_only_when_nothing_runs_in_it(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.READY)
    node.used = {TINY}

    await engines.take((an_order(is_removed=True),))

    leaving = await node.in_state(S.REMOVING)
    assert (leaving.order_id, leaving.detail) == ("ord_1", "it is removed as soon as no replica runs in it")
    assert engines.find(KIND, "") is None, "a replica must not start in it any more"
    await never(lambda: not (node.root / TINY / "env").exists(), for_s=0.5)
    node.used = set()
    await eventually(lambda: node.state() is None, within_s=15)
    assert list(node.root.iterdir()) == []
    await engines.take((an_order(is_removed=True),))
    assert engines.states() == ()


async def test_a_removal_that_is_taken_back_in_time_keeps_the_engine(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.READY)
    node.used = {TINY}
    await engines.take((an_order(is_removed=True),))
    await engines.take((an_order("ord_2"),))
    assert (await node.in_state(S.READY)).order_id == "ord_2"
    assert engines.find(KIND, "0.9") is not None


async def test_another_order_that_wants_it_keeps_it(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.READY)
    await engines.take((an_order(is_removed=True), an_order("ord_2")))
    assert (await node.in_state(S.READY)).order_id == "ord_2"


HANGS = ("{python}", "-I", "-c", "import time; time.sleep(600)")


async def test_a_removal_in_mid_installation_ends_it_and_drops_everything(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    node.recipe = tiny_recipe(verification=HANGS)
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.VERIFYING)

    await engines.take((an_order(is_removed=True),))

    await eventually(lambda: node.state() is None, within_s=15)
    assert list(node.root.iterdir()) == []
    assert running_below(node.root) == []


async def test_an_agent_that_dies_in_mid_installation_begins_again(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    node.recipe = tiny_recipe(verification=HANGS)
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.VERIFYING)

    await node.die()

    assert running_below(node.root) == []
    node.recipe = tiny_recipe()
    again = await node.start()
    assert again.find(KIND, "") is None, "half of an environment is no offer"
    assert (await node.in_state(S.READY)).order_id == "ord_1"


async def test_what_is_ready_is_ready_again_after_a_restart_and_what_broke_is_not(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    write_wheel(node.wheels, "tinyengine", "0.8")
    engines = await node.start()
    await engines.take((an_order(), an_order("ord_2", version="0.8")))
    await node.in_state(S.READY)
    await node.in_state(S.READY, f"{KIND}-0.8-cpu")
    record = node.root / f"{KIND}-0.8-cpu" / "environment.json"
    await eventually(lambda: b'"ready"' in record.read_bytes())  # told a moment before it is written down
    await node.die()
    (node.root / f"{KIND}-0.8-cpu" / "env" / "bin" / "python").unlink()

    again = await node.start()

    assert again.versions() == {KIND: ("0.9",)}
    broken = node.state(f"{KIND}-0.8-cpu")
    assert broken is not None
    assert (broken.state, "does not answer" in broken.detail) == (S.FAILED, True)
