"""A real engine on a node: starts, answers, fails with a diagnosis, drains, stops, leaves nothing."""

import os
import signal
from pathlib import Path

import aiohttp
import pytest

from roundhouse_common.contracts.catalog import ModelSource, Resources, SourceKind
from roundhouse_common.contracts.node import ObservedPhase, ReplicaReport
from roundhouse_common.contracts.scheduler import Desired, Reason
from tests.component.node_agent.conftest import NODE, Node
from tests.support.eventually import eventually, never
from tests.support.scheduler_stub import SMOLLM2, SchedulerStub, an_assignment

pytestmark = pytest.mark.timeout(60)


async def in_phase(
    scheduler: SchedulerStub, phase: ObservedPhase, *, attempt: int = 1, replica_id: str = "rep_1"
) -> ReplicaReport:
    async def look() -> ReplicaReport | None:
        found = await scheduler.replica(NODE, replica_id)
        assert found is not None
        assert (found.phase, found.attempt) == (phase, attempt), f"{found.phase} {found.reason} {found.detail}"
        return found

    found = await eventually(look, within_s=20)
    assert found is not None
    return found


async def chat(replica: ReplicaReport, key: str) -> tuple[int, str]:
    body = {"model": replica.served_model, "messages": [{"role": "user", "content": "Say hi"}], "max_tokens": 8}
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{replica.base_url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        return response.status, await response.text()


async def test_an_assigned_replica_becomes_ready_and_answers_only_with_its_key(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await eventually(lambda: scheduler.epochs)
    await scheduler.assign(NODE, an_assignment())

    ready = await in_phase(scheduler, ObservedPhase.READY)

    assert ready.served_model == "smol"
    assert (await chat(ready, "key-of-rep_1"))[0] == 200
    assert (await chat(ready, "wrong"))[0] == 401
    await eventually(lambda: any(beat.loads for beat in scheduler.beats))


@pytest.mark.contract("A12", "B02")
async def test_a_killed_engine_is_reported_with_its_signal_and_the_next_attempt_starts(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)

    os.kill(ready.pid, signal.SIGKILL)

    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert (failed.reason, failed.exit_code, failed.pid) == (Reason.ENGINE_EXITED.value, -9, 0)
    assert "SIGKILL" in failed.detail
    await scheduler.assign(NODE, an_assignment(attempt=2))
    again = await in_phase(scheduler, ObservedPhase.READY, attempt=2)
    assert again.pid != ready.pid


async def test_a_killed_guard_takes_its_engine_with_it(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)
    (guard,) = [pid for pid in node.processes() if pid != ready.pid]

    os.kill(guard, signal.SIGKILL)

    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert "guard" in failed.detail
    assert node.processes() == []


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (None, Reason.MODEL_UNAVAILABLE, "does not exist on this node"),
        (b"hello, I am no model", Reason.START_FAILED, "damaged"),
        ("truncated", Reason.START_FAILED, "damaged"),
    ],
)
async def test_a_model_that_is_missing_or_damaged_is_said_so(
    node: Node,
    scheduler: SchedulerStub,
    tmp_path: Path,
    content: bytes | str | None,
    reason: Reason,
    words: str,
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(SMOLLM2.read_bytes()[:40_000_000] if isinstance(content, str) else content)
    await node.start()

    await scheduler.assign(NODE, an_assignment(source=ModelSource(kind=SourceKind.PATH, uri=str(path))))

    failed = await in_phase(scheduler, ObservedPhase.FAILED)
    assert failed.reason == reason.value
    assert words in failed.detail


async def test_what_cannot_fit_the_node_is_rejected_with_figures(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()

    await scheduler.assign(NODE, an_assignment(resources=Resources(memory_bytes=1 << 50)))

    rejected = await in_phase(scheduler, ObservedPhase.REJECTED)
    assert rejected.reason == Reason.NODE_REJECTED.value
    assert "1,073,741,824 MiB" in rejected.detail


async def test_a_draining_engine_is_stopped_once_idle_and_nothing_of_it_is_left(
    node: Node, scheduler: SchedulerStub
) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    await in_phase(scheduler, ObservedPhase.READY)

    await scheduler.assign(NODE, an_assignment(desired=Desired.DRAIN, reason=Reason.SCALED_DOWN))

    stopped = await in_phase(scheduler, ObservedPhase.STOPPED)
    assert (stopped.reason, stopped.exit_code) == (Reason.DRAINED.value, 0)
    assert node.processes() == []


async def test_an_engine_goes_on_while_nobody_confirms_that_it_must_stop(node: Node, scheduler: SchedulerStub) -> None:
    await node.start()
    await scheduler.assign(NODE, an_assignment())
    ready = await in_phase(scheduler, ObservedPhase.READY)

    scheduler.is_silent = True
    await scheduler.assign(NODE)

    await never(lambda: ready.pid not in node.processes(), for_s=2.0)
    scheduler.is_silent = False
    await eventually(lambda: node.processes() == [], within_s=10)
