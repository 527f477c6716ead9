"""Time in which a node fetches files or installs an engine is held against nobody, as long as it comes further."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import EngineKind, Rollout, VersionSpec
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.provisioning import EnvironmentState, FilesState, TransferProgress
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_common.model_sources import source_key
from roundhouse_common.runtime import UnixTime
from roundhouse_scheduler.domain.plan import VersionGivenUp
from roundhouse_scheduler.domain.provisioning.preparing import installation_words, paused_words, progress_words
from roundhouse_scheduler.domain.rollout.start import started_rollout
from roundhouse_scheduler.domain.switching import Switch, SwitchState
from roundhouse_scheduler.loops.preparing import Preparing
from tests.support.loaded_fleet import LoadedFleet
from tests.support.provisioning import QWEN, a_store, an_environment, kept
from tests.support.scheduler import GIB, Fleet, a_deployment, a_node, a_version, an_entry, an_inventory

KEY = source_key(QWEN)
DEADLINE_S = 100.0
FETCHING: dict[str, Any] = {"reason": Reason.FETCHING_MODEL.value}
INSTALLING: dict[str, Any] = {"reason": Reason.INSTALLING_ENGINE.value}


@dataclass
class FleetClock:
    fleet: Fleet

    def now(self) -> UnixTime:
        return UnixTime(self.fleet.now)

    def monotonic(self) -> float:
        return self.fleet.now


class Downloading:
    """A rollout to a version whose files a node fetches. Five seconds at a time."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.stored_bytes = 0
        self.take_over()

    def take_over(self) -> None:
        """A scheduler that has heard nothing yet."""
        self.preparing = Preparing(FleetClock(self.fleet))

    def fetch(self, seconds: float, *, at_rate: int = 35_000_000) -> None:
        for _ in range(int(seconds / 5)):
            self.fleet.now += 5.0
            self.stored_bytes += 5 * at_rate
            asyncio.run(
                self.preparing.take_progress(
                    TransferProgress(
                        node_id="nod_01",
                        key=KEY,
                        stored_bytes=self.stored_bytes,
                        total_bytes=10**12,
                        rate_bytes_s=at_rate,
                    ),
                    ("nod_01",),
                )
            )
            self.turn(ObservedPhase.FETCHING, **FETCHING)

    def turn(self, phase: ObservedPhase, **changes: Any) -> None:
        """The node reports the new version's replica, and that the old one is ready."""
        self.fleet.advances = dict(self.preparing.advances)
        self.fleet.hear_all()
        mine = [row for row in self.fleet.live() if row.node_id == "nod_01"]
        entries = [
            an_entry(row, phase, **changes) if row.version_number == 2 else an_entry(row, ObservedPhase.READY)
            for row in mine
        ]
        self.fleet.report("nod_01", *entries)
        self.fleet.step()
        self.fleet.step()

    @property
    def given_up(self) -> list[VersionGivenUp]:
        return [action for action in self.fleet.actions if isinstance(action, VersionGivenUp)]


def rolling(version: VersionSpec | None = None) -> Downloading:
    """Version 1 is ready; version 2 has just become the wanted one."""
    fleet = Fleet().with_nodes(a_node("nod_01"))
    rollout = Rollout(progress_deadline_s=DEADLINE_S)
    fleet.with_deployment(a_deployment(replicas=1, rollout=rollout)).settle()
    wanted = version or a_version(2, source=QWEN)
    fleet.versions[wanted.version_id] = wanted
    before = fleet.deployments["dep_1"]
    after = msgspec.structs.replace(before, version_id=wanted.version_id, version_number=2, generation=2)
    fleet.deployments["dep_1"] = started_rollout(before, after, fleet.now)
    fleet.step()
    fleet.step()
    return Downloading(fleet)


@pytest.mark.contract("A10")
def test_a_download_of_an_hour_is_no_failed_version() -> None:
    world = rolling()
    world.fetch(3600)
    assert world.given_up == []
    world.turn(ObservedPhase.STARTING)
    world.fleet.now += DEADLINE_S - 10
    world.turn(ObservedPhase.STARTING)
    assert world.given_up == []
    world.turn(ObservedPhase.READY)
    world.turn(ObservedPhase.READY)
    assert [row.version_number for row in world.fleet.live() if row.is_wanted] == [2]


def test_a_download_that_stands_still_fails_the_version_at_its_deadline() -> None:
    world = rolling()
    world.fetch(600)
    world.fetch(DEADLINE_S - 10, at_rate=0)
    assert world.given_up == []
    world.fetch(15, at_rate=0)
    (failure,) = world.given_up
    assert "no further replica became available within 100 s" in failure.detail
    assert "fetching (fetching-model)" in failure.detail


def test_a_download_that_fails_again_and_again_fails_the_version_with_its_cause() -> None:
    world = rolling()
    world.fetch(300)
    for _ in range(3):
        world.turn(ObservedPhase.FAILED, reason=Reason.MODEL_UNAVAILABLE.value, detail="the Hub says 403")
        world.fleet.now += 20
        world.turn(ObservedPhase.FETCHING, **FETCHING)
    (failure,) = world.given_up
    assert "failed 3 times in a row: model-unavailable: the Hub says 403" in failure.detail


def test_an_engine_that_starts_for_too_long_fails_at_its_deadline_whatever_was_fetched() -> None:
    world = rolling()
    world.fetch(300)
    for _ in range(25):
        world.fleet.now += 5
        world.turn(ObservedPhase.STARTING)
    assert len(world.given_up) == 1


def test_a_scheduler_that_takes_over_knows_that_it_came_further() -> None:
    world = rolling()
    world.fetch(600)
    world.take_over()
    world.fleet.now += DEADLINE_S - 40
    world.turn(ObservedPhase.FETCHING, **FETCHING)
    assert world.given_up == []


def test_what_is_fetched_for_others_is_no_progress() -> None:
    world = rolling(a_version(2, source=msgspec.structs.replace(QWEN, uri="Qwen/Other")))
    world.fetch(DEADLINE_S + 10)
    assert len(world.given_up) == 1


def installing(world: Downloading, seconds: float, *, steps: bool) -> None:
    for number in range(int(seconds / 30)):
        world.fleet.now += 30.0
        step = f"step {number}" if steps else "installing 151 packages"
        environment = an_environment("", state=EnvironmentState.INSTALLING, step=step)
        world.preparing.take_store(a_store("nod_01", engines=(environment,)))
        world.turn(ObservedPhase.FETCHING, **INSTALLING)


def rolling_to_vllm() -> Downloading:
    world = rolling()
    fleet = world.fleet
    version = a_version(2, engine=EngineKind.VLLM, installs_engine=True)
    fleet.versions["ver_2"] = version
    inventory = an_inventory(hostname="nod_01", installable_engines=("vllm",))
    fleet.nodes["nod_01"] = msgspec.structs.replace(fleet.nodes["nod_01"], inventory=inventory)
    return world


def test_an_installation_of_an_hour_is_no_failed_version() -> None:
    world = rolling_to_vllm()
    installing(world, 3600, steps=True)
    (replica,) = [row for row in world.fleet.live() if row.version_number == 2]
    assert (replica.phase, replica.reason) == (Phase.FETCHING, Reason.INSTALLING_ENGINE)
    assert world.given_up == []


def test_an_installation_that_hangs_in_one_step_fails_the_version() -> None:
    world = rolling_to_vllm()
    installing(world, 1800, steps=False)
    assert world.given_up == []
    installing(world, DEADLINE_S + 60, steps=False)
    assert len(world.given_up) == 1
    assert "installing-engine" in world.given_up[0].detail


def test_an_engine_that_cannot_be_installed_fails_the_replica_with_its_cause() -> None:
    world = rolling_to_vllm()
    world.turn(ObservedPhase.FAILED, reason=Reason.ENGINE_UNAVAILABLE.value, detail="no space left")
    (replica,) = [row for row in world.fleet.live() if row.version_number == 2]
    assert replica.last_failure == "after engine-unavailable: no space left"
    assert replica.failures == 1


def test_files_that_wait_for_other_transfers_come_further_with_these() -> None:
    world = rolling()
    other = msgspec.structs.replace(QWEN, uri="Qwen/Other")
    for number in range(60):
        world.fleet.now += 30.0
        busy = kept(other, FilesState.FETCHING, stored_bytes=number + 1)
        world.preparing.take_store(a_store("nod_01", busy, kept(state=FilesState.WAITING)))
        world.turn(ObservedPhase.FETCHING, **FETCHING)
    assert world.given_up == []
    for _ in range(6):
        world.fleet.now += 30.0
        world.preparing.take_store(a_store("nod_01", kept(state=FilesState.WAITING, detail="tried again")))
        world.turn(ObservedPhase.FETCHING, **FETCHING)
    assert len(world.given_up) == 1


def test_a_switch_that_loses_its_room_after_long_fetching_looks_for_another() -> None:
    fleet = LoadedFleet().with_nodes(a_node("nod_01"))
    assert isinstance(fleet, LoadedFleet)
    version = fleet.versions["ver_2"] = a_version(2, source=QWEN, memory_bytes=10 * GIB)
    asleep: dict[str, Any] = {"target_replicas": 0, "target_reason": Reason.EVICTED}
    fleet.with_deployment(a_deployment(version=version, is_evictable=True, wake_timeout_s=60.0, **asleep))
    full = a_node("nod_01", inventory=an_inventory(hostname="nod_01", memory_available_bytes=GIB))
    fleet.nodes["nod_01"] = full
    fleet.switches["swi_1"] = Switch(
        switch_id="swi_1",
        tenant_id="ten_default",
        deployment_id="dep_1",
        actor="user:admin",
        detail="asked for",
        began_at=fleet.now,
        deadline_at=fleet.now + 60.0,
    )
    fleet.steps()
    assert fleet.one_switch().state is SwitchState.WAITING
    fleet.nodes["nod_01"] = a_node("nod_01")
    fleet.steps()
    world = Downloading(fleet)
    world.fetch(600)
    switch = fleet.one_switch()
    assert (switch.state, switch.ended_at) == (SwitchState.STARTING, None)
    assert switch.deadline_at >= fleet.now + 20
    fleet.nodes["nod_01"] = full
    world.turn(ObservedPhase.REJECTED, detail="not enough memory after all")
    assert fleet.one_switch().ended_at is None
    fleet.now += 70
    fleet.hear_all()
    fleet.steps()
    assert fleet.one_switch().state is SwitchState.FAILED


def test_only_a_node_itself_says_how_far_it_is_and_only_lately() -> None:
    fleet = Fleet()
    preparing = Preparing(FleetClock(fleet))
    message = TransferProgress(node_id="nod_01", key=KEY, stored_bytes=1, total_bytes=2, rate_bytes_s=1.0)
    asyncio.run(preparing.take_progress(message, ("nod_02",)))
    assert preparing.live("nod_01", KEY) is None
    asyncio.run(preparing.take_progress(message, ("nod_01",)))
    assert preparing.live("nod_01", KEY) == message
    fleet.now += 11.0
    assert preparing.live("nod_01", KEY) is None


def test_a_report_that_lags_behind_makes_no_advance_of_what_stands_still() -> None:
    fleet = Fleet()
    preparing = Preparing(FleetClock(fleet))
    message = TransferProgress(node_id="nod_01", key=KEY, stored_bytes=100, total_bytes=200, rate_bytes_s=0.0)
    report = a_store("nod_01", kept(state=FilesState.FETCHING, stored_bytes=90))
    for _ in range(5):
        asyncio.run(preparing.take_progress(message, ("nod_01",)))
        preparing.take_store(report)
        fleet.now += 30.0
    assert preparing.advances["nod_01", KEY] == 1000.0


@pytest.mark.parametrize(
    ("stored", "total", "rate", "left_s", "words"),
    [
        (1_200_000_000, 4_500_000_000, 35e6, 94.3, "1.2 of 4.5 GB, 35 MB/s, 94 s left"),
        (0, 0, 0.0, -1.0, "0 B so far, 0 B/s"),
        (700, 1400, 0.0, -1.0, "0.7 of 1.4 kB, 0 B/s"),
        (150e9, 200e9, 1.25e9, 3600.0, "150.0 of 200.0 GB, 1.2 GB/s, 60 min left"),
        (5, 9, 4.0, 1.0, "5 of 9 B, 4 B/s, 1 s left"),
    ],
)
def test_progress_in_words(stored: int, total: int, rate: float, left_s: float, words: str) -> None:
    progress = TransferProgress(
        node_id="n", key="k", stored_bytes=int(stored), total_bytes=int(total), rate_bytes_s=rate, left_s=left_s
    )
    assert progress_words(progress) == words


def test_a_pause_in_words() -> None:
    paused = kept(state=FilesState.PAUSED)
    words = f"fetching its files is paused; `roundhouse files resume {paused.name}` goes on with it"
    assert paused_words(paused.key, [kept(state=FilesState.READY), paused]) == words
    assert paused_words(paused.key, [kept(state=FilesState.FETCHING)]) == ""
    assert paused_words("another", [paused]) == ""


def test_an_installation_in_words() -> None:
    busy = an_environment(state=EnvironmentState.INSTALLING, step="installing 151 packages")
    assert installation_words("vllm", [busy]) == "vllm 0.32.0: installing 151 packages"
    waits = an_environment(state=EnvironmentState.WAITING)
    assert installation_words("vllm", [waits]) == "vllm 0.32.0: waiting"
    assert installation_words("vllm", [an_environment()]) == ""
    assert installation_words("sglang", [busy]) == ""
