"""What an engine takes in fact, against what was predicted from its model's file: a real llama.cpp on a real file."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelSource, Resources, SourceKind, VersionSpec
from roundhouse_common.contracts.models import ModelFacts
from roundhouse_common.contracts.node import ReplicaReport
from roundhouse_common.sizing import MemoryNeed, need_of_version
from roundhouse_node_agent.models.reading import read_model
from tests.component.node_agent.conftest import NODE, OPTIONS, Node
from tests.support.eventually import eventually
from tests.support.scheduler_stub import SMOLLM2, SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(120)
_PROMPT_TOKENS = 100
_FULL_BATCH_TOKENS = 512
"""What llama.cpp computes at once: so many tokens touch all of its buffers, and more of them take time only."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of our own: an engine of another test that maps the same file would take half of its pages off ours."""
    copy = tmp_path_factory.mktemp("model") / SMOLLM2.name
    shutil.copy(SMOLLM2, copy)
    return copy


def predicted(facts: ModelFacts, version: VersionSpec) -> MemoryNeed:
    need = need_of_version(
        facts,
        engine=EngineKind.LLAMA_CPP,
        parameters=version.parameters,
        resources=version.resources,
        context_length=version.context_length,
        model_kind=version.model_kind,
    )
    assert isinstance(need, MemoryNeed), need
    return need


def shared_with_strangers(pid: int) -> int:
    """What engines besides this one, of a user or of another test, take off the library's pages: nothing when it is
    alone on the machine."""
    maps = psutil.Process(pid).memory_maps()
    return sum(each.rss - each.pss for each in maps if "xllamacpp" in each.path)


async def answers(replica: ReplicaReport, prompt_tokens: int) -> None:
    body = {"prompt": [index % 40_000 + 100 for index in range(prompt_tokens)], "n_predict": 4, "temperature": 0.8}
    headers = {"Authorization": "Bearer key-of-rep_1"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{replica.base_url}/completion", json=body, headers=headers) as response,
    ):
        assert response.status == 200, await response.text()


@pytest.mark.contract("H05")
@pytest.mark.parametrize(("context", "parallel"), [(512, 1), (4096, 4), (256, 16)])
async def test_an_engine_under_load_takes_what_was_predicted_and_no_more(
    node: Node, scheduler: SchedulerStub, model: Path, context: int, parallel: int
) -> None:
    await node.start(replace(OPTIONS, sample_interval_s=0.5, report_interval_s=0.5))
    await eventually(lambda: scheduler.epochs)
    assignment = an_assignment()
    version = msgspec.structs.replace(
        assignment.version,
        source=ModelSource(kind=SourceKind.PATH, uri=str(model)),
        parameters={"context": str(context), "parallel": str(parallel), "threads": "2"},
        resources=Resources(memory_bytes=1),
    )
    await scheduler.assign(NODE, msgspec.structs.replace(assignment, version=version))
    ready = await eventually(lambda: addressed(scheduler), within_s=30)
    assert ready is not None

    prompt_tokens = min(_PROMPT_TOKENS, _FULL_BATCH_TOKENS * 5 // 4 // parallel)
    await asyncio.gather(*(answers(ready, prompt_tokens) for _ in range(parallel)))
    need = predicted(read_model(model), version)

    async def measured() -> int:
        found = await scheduler.replica(NODE, "rep_1")
        assert found is not None
        alone = found.memory_bytes + shared_with_strangers(found.pid)
        assert need.total_bytes <= 1.15 * alone, f"{alone:,} of {need.total_bytes:,}"
        return alone

    actual = await eventually(measured, within_s=10)
    assert actual is not None
    assert actual <= need.total_bytes, f"predicted {need.total_bytes:,}, actual {actual:,}"


async def addressed(scheduler: SchedulerStub) -> ReplicaReport | None:
    found = await scheduler.replica(NODE, "rep_1")
    assert found is not None
    assert found.phase.value == "ready", f"{found.phase} {found.detail}"
    return found
