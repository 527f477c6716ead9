"""Replicas in containers: with a double of the `docker` command line everywhere, with Podman where it runs."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.node import ObservedPhase, ReplicaReport
from roundhouse_common.contracts.provisioning import EngineEnvironment, EngineOrder, EnvironmentState, InstallMethod
from roundhouse_common.contracts.scheduler import Desired
from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.installer import Installer
from roundhouse_node_agent.environments.making import Maker
from roundhouse_node_agent.environments.manager import EngineEnvironments
from roundhouse_node_agent.environments.packages import tools_of
from roundhouse_node_agent.environments.recipe import load_recipes
from roundhouse_node_agent.environments.store import EnvironmentStore
from tests.component.node_agent.conftest import NODE, Node
from tests.component.node_agent.test_engine_life import chat
from tests.support.docker_double import containers, install_docker_double
from tests.support.eventually import eventually
from tests.support.podman_image import IMAGE, can_run_image, drop_image, make_image, podman_or_why
from tests.support.scheduler_stub import SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(120)
DOUBLE = "registry/llamacpp:1"


def engines_in(node: Node, tool: ContainerTool) -> EngineEnvironments:
    store = EnvironmentStore(node.path / "engines")
    tools = tools_of(os.environ, home=Path.home(), index="", extra_indexes=(), find_links=(), within_s=60.0)
    maker = Maker(
        store=store,
        installer=Installer(silence_s=60.0),
        tools=lambda: tools,
        containers=tool,
        recipes=load_recipes(),
        headroom_bytes=0,
    )
    return EngineEnvironments(
        store=store,
        maker=maker,
        drivers=all_engines(),
        clock=SystemClock(),
        may_install=True,
        in_use=lambda: node.host.environments_in_use() if node.host is not None else (),
    )


@pytest.fixture
async def docker(node: Node, tmp_path: Path) -> AsyncIterator[Path]:
    """The directory of a double of Docker, which the node has."""
    program = install_docker_double(tmp_path / "docker", DOUBLE)
    node.find_containers = lambda name: str(program) if name == "docker" else None
    node.make_environments = lambda node: engines_in(node, node.containers)
    yield program.parent
    await node.die()


async def told(scheduler: SchedulerStub, state: EnvironmentState) -> EngineEnvironment:
    async def look() -> EngineEnvironment:
        store = await scheduler.store(NODE)
        assert store is not None
        assert store.engines
        found = store.engines[0]
        assert found.state is state, f"{found.state} {found.step} {found.detail}"
        return found

    return await eventually(look, within_s=60)


async def ready(scheduler: SchedulerStub, attempt: int = 1) -> ReplicaReport:
    async def look() -> ReplicaReport:
        found = await scheduler.replica(NODE, "rep_1")
        assert found is not None
        assert (found.phase, found.attempt) == (ObservedPhase.READY, attempt), f"{found.reason} {found.detail}"
        return found

    return await eventually(look, within_s=60)


def an_order(image: str) -> EngineOrder:
    return EngineOrder(order_id="ord_1", engine=EngineKind.LLAMA_CPP, method=InstallMethod.IMAGE, image=image)


async def test_an_image_is_pulled_asked_and_serves_a_replica_whose_container_goes_with_it(
    node: Node, scheduler: SchedulerStub, docker: Path
) -> None:
    await node.start()
    await scheduler.order(NODE, engines=(an_order(DOUBLE),))
    installed = await told(scheduler, EnvironmentState.READY)
    assert installed.version
    assert installed.origin == f"image {DOUBLE}"

    await scheduler.assign(NODE, an_assignment(engine_version=installed.version))
    replica = await ready(scheduler)

    assert (await chat(replica, "key-of-rep_1"))[0] == 200
    assert (await chat(replica, "wrong"))[0] == 401
    assert list(containers(docker)) == ["roundhouse-rep_1-1-1"]
    await scheduler.assign(NODE, an_assignment(desired=Desired.STOP))
    await eventually(lambda: containers(docker) == {}, within_s=20)


async def test_a_client_that_is_killed_leaves_no_container(node: Node, scheduler: SchedulerStub, docker: Path) -> None:
    await node.start()
    await scheduler.order(NODE, engines=(an_order(DOUBLE),))
    await told(scheduler, EnvironmentState.READY)
    await scheduler.assign(NODE, an_assignment())
    replica = await ready(scheduler)

    os.kill(replica.pid, signal.SIGKILL)

    await eventually(lambda: containers(docker) == {}, within_s=20)


async def test_containers_of_runs_that_nobody_knows_are_removed_when_an_agent_starts(
    node: Node, scheduler: SchedulerStub, docker: Path
) -> None:
    await node.start()
    await scheduler.order(NODE, engines=(an_order(DOUBLE),))
    await told(scheduler, EnvironmentState.READY)
    await scheduler.assign(NODE, an_assignment())
    before = await ready(scheduler)
    await node.die()
    stray = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    (docker / "roundhouse-rep_9-1-1.container").write_text(f"{stray.pid} []")

    await node.start()

    assert (await stray.wait()) == -signal.SIGKILL
    assert (await ready(scheduler)).pid == before.pid, "the one that is known is adopted"
    await eventually(lambda: list(containers(docker)) == ["roundhouse-rep_1-1-1"])


async def test_an_image_that_does_not_exist_fails_with_the_registrys_words(
    node: Node, scheduler: SchedulerStub, docker: Path
) -> None:
    await node.start()
    await scheduler.order(NODE, engines=(an_order("registry/none:1"),))
    failed = await told(scheduler, EnvironmentState.FAILED)
    assert "pulling registry/none:1 failed" in failed.detail
    assert "manifest unknown" in failed.log_tail[0]


@pytest.fixture
def podman() -> Iterator[None]:
    """Podman and an image with the real engine, made from this machine's Python; skips where no container runs."""
    why = podman_or_why()
    if why:
        pytest.skip(why)
    make_image()
    try:
        why = can_run_image()
        if why:
            pytest.skip(why)
        yield
    finally:
        drop_image()


@pytest.mark.usefixtures("podman")
async def test_podman_runs_the_real_engine(node: Node, scheduler: SchedulerStub) -> None:
    node.find_containers = lambda name: shutil.which(name) if name == "podman" else None
    node.make_environments = lambda node: engines_in(node, node.containers)
    await node.start()
    await scheduler.order(NODE, engines=(an_order(IMAGE),))
    await told(scheduler, EnvironmentState.READY)

    await scheduler.assign(NODE, an_assignment())
    replica = await ready(scheduler)

    assert (await chat(replica, "key-of-rep_1"))[0] == 200
    assert (await chat(replica, "wrong"))[0] == 401
    assert node.host is not None
    assert node.agent is not None
    run = node.agent.context.replicas["rep_1"].run
    assert run is not None
    [used] = (await node.host.usage([run])).engines
    assert used.memory_bytes > 100 * 1024**2, "the container runs below its client, and so it is measured"
    listed = await asyncio.create_subprocess_exec("podman", "ps", "-q", stdout=asyncio.subprocess.PIPE)
    assert (await listed.communicate())[0].split()
    await scheduler.assign(NODE, an_assignment(desired=Desired.STOP))

    async def gone() -> bool:
        process = await asyncio.create_subprocess_exec(
            *("podman", "ps", "-aq", "--filter", f"label=roundhouse.node={NODE}"), stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0].split() == []

    await eventually(gone, within_s=30)
    await eventually(lambda: node.processes() == [], within_s=30, why="Podman cleans up after a container has gone")
