"""A real engine with the chat template that the model's owner set."""

import aiohttp
import pytest

from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.contracts.node import ObservedPhase
from tests.component.node_agent.conftest import NODE, Node
from tests.component.node_agent.test_engine_life import in_phase
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(60)

TEMPLATE = "{% for message in messages %}<<{{ message.role }}|{{ message.content }}>>{% endfor %}"


@pytest.mark.contract("A25")
async def test_a_real_engine_writes_prompts_as_the_models_own_template_says(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)
    await scheduler.assign(NODE, an_assignment(defaults=ModelDefaults(chat_template=TEMPLATE)))
    ready = await in_phase(scheduler, ObservedPhase.READY)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    headers = {"Authorization": "Bearer key-of-rep_1"}
    async with (
        aiohttp.ClientSession(ready.base_url) as session,
        session.post("/apply-template", json={"messages": messages}, headers=headers) as answer,
    ):
        assert answer.status == 200
        prompt = (await answer.json())["prompt"]
    assert prompt == "<<system|Be brief.>><<user|hi>>"
