"""A dry run asks the nodes that were chosen what they would start, and says it for each replica."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from roundhouse_common.auth import Role
from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_common.contracts.registry import RENDER_COMMAND
from roundhouse_common.database import Database
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.rows import add
from tests.component.scheduler.running import Running, running, who
from tests.support.scheduler import GIB, a_node, an_inventory

COMMAND = {
    "deployment_name": "qwen",
    "model_name": "Qwen3",
    "source": {"kind": "path", "uri": "/models/qwen.gguf"},
    "context_length": 4096,
    "architecture": "Qwen3ForCausalLM",
    "chat_template": "{{ messages }}",
}
ASKED = {"engine": "llama.cpp", "model_kind": "chat", "resources": {"memory_bytes": GIB}, "command": COMMAND}

pytestmark = pytest.mark.contract("A11")


class Agent:
    """Answers for a node, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[RenderCommand] = []

    async def render(self, query: RenderCommand, ids: tuple[str, ...]) -> CommandRendered:
        self.asked.append(query)
        argv = ("llama", *(f"{name}={value}" for name, value in query.version.parameters.items()), ids[0])
        return CommandRendered(argv=argv, environment={"KEY": "***"}, port=9001, has_files=True, has_engine=True)


@pytest_asyncio.fixture
async def scheduler(scheduler_db: Database) -> AsyncIterator[Running]:
    """One node with a device and one without."""
    gpu = DeviceInfo(
        uuid="GPU-a",
        index=0,
        vendor=DeviceVendor.NVIDIA,
        model="NVIDIA H100",
        memory_total_bytes=24 * GIB,
        memory_free_bytes=24 * GIB,
    )
    async with scheduler_db.write() as session:
        for node in (
            a_node("nod_gpu", inventory=an_inventory(hostname="gpu-01", devices=(gpu,))),
            a_node("nod_cpu", inventory=an_inventory(hostname="cpu-02")),
        ):
            await add(session, tables.nodes, node)
    async with running(scheduler_db) as started:
        yield started


async def placed(scheduler: Running, **changes: Any) -> list[dict[str, Any]]:
    answer = await scheduler.post("/placements:dryRun", ASKED | changes)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["placed"]
    return found


async def test_each_node_tells_the_command_for_the_way_that_was_chosen_there(scheduler: Running) -> None:
    ways = [
        {"name": "gpu", "device_model": "*H100*", "resources": {"memory_bytes": 20 * GIB, "device_count": 1}},
        {"name": "cpu", "resources": {"memory_bytes": GIB}, "parameters": {"threads": "4"}},
    ]
    agent = Agent()
    async with scheduler.node("nod_gpu") as one, scheduler.node("nod_cpu") as two:
        await one.serve(RENDER_COMMAND, agent.render, "nod_gpu")
        await two.serve(RENDER_COMMAND, agent.render, "nod_cpu")
        rows = await placed(scheduler, alternatives=ways, parameters={"context": "512"}, replicas=2)

    commands = {row["alternative"]: row["command"] for row in rows}
    assert commands["gpu"]["argv"] == ["llama", "context=512", "nod_gpu"]
    assert commands["cpu"]["argv"][:3] == ["llama", "context=512", "threads=4"]
    assert commands["cpu"]["error"] == ""
    by_device = {query.device_uuids: query for query in agent.asked}
    query = by_device["GPU-a",]
    assert query.version.resources.memory_bytes == 20 * GIB
    assert (query.deployment_name, query.version.model_name, query.version.architecture, query.version.engine) == (
        "qwen",
        "Qwen3",
        "Qwen3ForCausalLM",
        "llama.cpp",
    )
    assert (query.version.source.kind, query.version.source.uri) == (SourceKind.PATH, "/models/qwen.gguf")
    assert query.version.defaults is not None
    assert query.version.defaults.chat_template == "{{ messages }}"


async def test_members_of_a_gang_meet_at_the_first_ones_node(scheduler: Running) -> None:
    agent = Agent()
    async with scheduler.node("nod_gpu") as one, scheduler.node("nod_cpu") as two:
        await one.serve(RENDER_COMMAND, agent.render, "nod_gpu")
        await two.serve(RENDER_COMMAND, agent.render, "nod_cpu")
        rows = await placed(scheduler, resources={"memory_bytes": GIB, "node_count": 2})
    assert len(rows) == 2
    gangs = [query.gang for query in agent.asked]
    assert {(gang.rank, gang.size) for gang in gangs if gang is not None} == {(0, 2), (1, 2)}
    assert len({gang.address for gang in gangs if gang is not None}) == 1


async def test_a_node_that_does_not_answer_takes_only_its_own_command(scheduler: Running) -> None:
    agent = Agent()
    async with scheduler.node("nod_cpu") as bus:
        await bus.serve(RENDER_COMMAND, agent.render, "nod_cpu")
        rows = await placed(scheduler, replicas=2)
    commands = {row["node_id"]: row["command"] for row in rows}
    assert commands["nod_cpu"]["argv"]
    assert commands["nod_gpu"]["argv"] == []
    assert commands["nod_gpu"]["error"].startswith("the node nod_gpu does not answer")


async def test_of_many_replicas_the_first_are_told(scheduler: Running) -> None:
    agent = Agent()
    async with scheduler.node("nod_gpu") as one, scheduler.node("nod_cpu") as two:
        await one.serve(RENDER_COMMAND, agent.render, "nod_gpu")
        await two.serve(RENDER_COMMAND, agent.render, "nod_cpu")
        rows = await placed(scheduler, replicas=20)
    assert [row["command"] is None for row in rows] == [False] * 16 + [True] * 4


async def test_who_may_only_look_is_told_places_and_no_commands(scheduler: Running) -> None:
    viewer = who(role=Role.VIEWER)
    answer = await scheduler.post("/placements:dryRun", ASKED, subject=viewer)
    assert answer.status_code == 403
    answer = await scheduler.post("/placements:dryRun", ASKED | {"command": None}, subject=viewer)
    assert [row["command"] for row in answer.json()["placed"]] == [None]
