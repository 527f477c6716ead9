"""What a node says an engine would be started with is what it is started with."""

from typing import Any

import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults, ModelSource, SourceKind
from roundhouse_common.contracts.commands import CommandRendered, RenderCommand
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.registry import RENDER_COMMAND
from roundhouse_common.contracts.scheduler import Assignment
from roundhouse_node_agent.domain.masking import MASK
from tests.component.node_agent.conftest import NODE, Node
from tests.component.node_agent.test_engine_life import in_phase
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SchedulerStub, an_assignment

pytestmark = [pytest.mark.timeout(60), pytest.mark.contract("A11")]


async def asked(scheduler: SchedulerStub, assignment: Assignment) -> CommandRendered:
    query = RenderCommand(
        deployment_name=assignment.deployment_name, version=assignment.version, device_uuids=assignment.device_uuids
    )
    return await scheduler.bus.request(RENDER_COMMAND, query, NODE)


async def test_the_preview_is_the_command_that_runs_then(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)
    template = "{{ messages[0].content }}"
    assignment = an_assignment(engine_api_key="very-secret-key", defaults=ModelDefaults(chat_template=template))

    shown = await asked(scheduler, assignment)
    assert (shown.error, shown.has_files, shown.has_engine) == ("", True, True)
    assert node.processes() == []

    await scheduler.assign(NODE, assignment)
    ready = await in_phase(scheduler, ObservedPhase.READY)
    with open(f"/proc/{ready.pid}/cmdline", "rb") as cmdline:
        runs = cmdline.read().decode().split("\0")[:-1]
    port = ready.base_url.rpartition(":")[2]
    meant = [word.replace("REPLICA", "rep_1") if word != str(shown.port) else port for word in shown.argv]
    assert meant == runs
    with open(f"/proc/{ready.pid}/environ", "rb") as environ:
        variables = dict(line.partition("=")[::2] for line in environ.read().decode().split("\0")[:-1])
    for name, value in shown.environment.items():
        assert variables[name] == ("very-secret-key" if value == MASK else value)
    assert MASK in shown.environment.values()
    assert template in shown.files.values()


async def test_what_is_not_on_the_node_yet_is_said_so(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)
    source = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny-chat")

    shown = await asked(scheduler, an_assignment(source=source))

    assert (shown.has_files, shown.error) == (False, "")
    assert any("MODEL_FILES" in word for word in shown.argv)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": EngineKind.VLLM}, "this node has no engine vllm"),
        ({"parameters": {"speed": "9"}}, "speed"),
        ({"device_uuids": ("GPU-x",)}, "devices that it was given are not found any more: GPU-x"),
        ({"source": ModelSource(kind=SourceKind.PATH, uri="/nowhere/model.gguf")}, "/nowhere/model.gguf"),
    ],
)
async def test_what_could_not_be_started_there_is_said_so(
    node: Node, scheduler: SchedulerStub, changes: dict[str, Any], said: str
) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)

    shown = await asked(scheduler, an_assignment(**changes))

    assert shown.argv == ()
    assert said in shown.error
