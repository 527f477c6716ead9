"""Versions are added, started, restarted, deleted and rolled back; at most one is active, numbers are used once."""

from dataclasses import replace
from typing import Any

import pytest

from roundhouse_catalog.domain.deployments import Deployment, delete_deployment
from roundhouse_catalog.domain.drafts import RolloutDraft, VersionPatch
from roundhouse_catalog.domain.errors import DeploymentRunning, LastVersion, VersionActive
from roundhouse_catalog.domain.version_life import (
    Ignored,
    add_version,
    delete_version,
    note_failure,
    restart_version,
    roll_back,
    rollback_number,
    start_version,
)
from roundhouse_catalog.domain.versions import Version
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentDesired
from roundhouse_common.contracts.scheduler import Reason, VersionFailed, VersionState
from roundhouse_common.runtime import VersionId
from tests.unit.catalog.builders import a_deployment, a_model, a_stamp

RUN, STOP = DeploymentDesired.RUN, DeploymentDesired.STOP


class Life:
    """A deployment with the versions that were made of it."""

    def __init__(self, count: int = 1, **changes: Any) -> None:
        self.now: Deployment = a_deployment(**changes)
        self.versions: dict[int, Version] = {1: self.now.version}
        for _ in range(count - 1):
            self.add()

    def add(self, *, is_activated: bool = True) -> Version:
        version_id = VersionId(f"ver_{self.now.last_number + 1}")
        decision = add_version(
            self.now, VersionPatch(), a_model(), is_activated=is_activated, version_id=version_id, stamp=a_stamp()
        )
        assert decision.added is not None
        self.now = decision.deployment
        self.versions[decision.added.spec.number] = decision.added
        return decision.added

    def start(self, number: int) -> None:
        decision = start_version(self.now, self.versions[number], stamp=a_stamp())
        assert decision is not None
        self.now = decision.deployment

    def failed(self, number: int, *, generation: int = 0, serving: int = 0) -> VersionFailed:
        return VersionFailed(
            event_id="evt_failed",
            at=1.0,
            deployment_id=self.now.deployment_id,
            generation=generation or self.now.generation,
            version_id=self.versions[number].spec.version_id,
            version_number=number,
            reason=Reason.UNKNOWN,
            detail="the model's file is damaged",
            serving_number=serving,
        )

    def fail(self, number: int, *, generation: int = 0, serving: int = 0) -> DeploymentChange | str:
        """Take the failure; return what was made of it, or why nothing was."""
        failed = self.failed(number, generation=generation, serving=serving)
        noted = note_failure(self.now, failed)
        if isinstance(noted, Ignored):
            return noted.why
        self.now = noted
        decision = roll_back(noted, failed, self.versions.get(rollback_number(noted, failed)), stamp=a_stamp())
        if isinstance(decision, Ignored):
            return decision.why
        self.now = decision.deployment
        return decision.event.change

    @property
    def active(self) -> int:
        return self.now.version.spec.number

    def states(self, **by_number: VersionState) -> dict[str, VersionState]:
        return {self.versions[int(name[1:])].spec.version_id: state for name, state in by_number.items()}


@pytest.mark.contract("B04")
def test_a_version_can_be_added_without_taking_over() -> None:
    life = Life()
    life.add(is_activated=False)
    assert (life.active, life.now.last_number, life.now.generation) == (1, 2, 2)
    life.start(2)
    assert (life.active, life.now.previous_number, life.now.desired) == (2, 1, RUN)


@pytest.mark.contract("B04")
def test_two_broken_versions_in_quick_succession_lead_back_to_the_one_that_serves() -> None:
    life = Life(1)
    life.add()
    life.add()
    assert life.fail(3, serving=1) is DeploymentChange.ROLLED_BACK
    assert (life.active, life.now.previous_number) == (1, 0)


@pytest.mark.contract("B04")
@pytest.mark.parametrize("serving", [0, 2])
def test_where_none_serves_or_one_that_failed_it_is_the_one_before(serving: int) -> None:
    life = Life(1)
    life.add()
    life.now = replace(life.now, failed_numbers=(2,))
    life.add()
    assert life.fail(3, serving=serving) is DeploymentChange.ROLLED_BACK
    assert life.active == 1


@pytest.mark.contract("B04")
def test_starting_an_older_version_runs_a_stopped_deployment() -> None:
    life = Life(2)
    life.now = replace(life.now, desired=STOP)
    life.start(1)
    assert (life.active, life.now.desired) == (1, RUN)
    assert start_version(life.now, life.versions[1], stamp=a_stamp()) is None


@pytest.mark.contract("B03")
@pytest.mark.parametrize("state", [VersionState.ERROR, VersionState.STOPPED])
def test_an_inactive_version_is_restarted_with_its_failures_forgotten(state: VersionState) -> None:
    life = Life(2)
    decision = restart_version(life.now, life.versions[2], life.states(_2=state), stamp=a_stamp())
    assert (decision.deployment.restarts, decision.deployment.desired) == (1, RUN)
    assert decision.event.change is DeploymentChange.VERSION_RESTARTED


@pytest.mark.contract("B05")
@pytest.mark.parametrize("state", [VersionState.PREPARING, VersionState.RUNNING, VersionState.SHUTTING_DOWN])
def test_an_active_version_is_neither_restarted_nor_deleted(state: VersionState) -> None:
    life = Life(2)
    states = life.states(_1=state)
    with pytest.raises(VersionActive, match=f'Version 1 of "smol" is {state.value}: .* can be restarted'):
        restart_version(life.now, life.versions[1], states, stamp=a_stamp())
    with pytest.raises(VersionActive, match="can be deleted"):
        delete_version(life.now, life.versions[1], states, successor=life.versions[2], stamp=a_stamp())


@pytest.mark.contract("B03", "B05")
def test_a_wanted_version_in_error_is_deleted_and_the_deployment_stops() -> None:
    life = Life(2)
    states = life.states(_2=VersionState.ERROR)
    decision = delete_version(life.now, life.versions[2], states, successor=life.versions[1], stamp=a_stamp())
    after = decision.deployment
    assert (after.desired, after.version.spec.number, decision.removed, after.previous_number) == (STOP, 1, 2, 0)
    assert decision.event.detail == "version 2; it is stopped, and version 1 is the next to start"


def test_numbers_are_never_used_again() -> None:
    life = Life(3)
    decision = delete_version(life.now, life.versions[3], {}, successor=life.versions[2], stamp=a_stamp())
    life.now = decision.deployment
    assert life.add().spec.number == 4


def test_the_last_version_goes_with_the_deployment() -> None:
    life = Life()
    with pytest.raises(LastVersion, match="Delete the deployment instead"):
        delete_version(life.now, life.versions[1], {}, successor=None, stamp=a_stamp())


@pytest.mark.contract("B06")
def test_a_deployment_goes_only_without_an_active_version() -> None:
    life = Life(2)
    with pytest.raises(DeploymentRunning):
        delete_deployment(life.now, life.states(_2=VersionState.RUNNING), stamp=a_stamp())
    stopped = replace(life.now, desired=STOP)
    with pytest.raises(VersionActive, match="a version that is Shutting Down"):
        delete_deployment(stopped, life.states(_1=VersionState.SHUTTING_DOWN), stamp=a_stamp())
    assert delete_deployment(stopped, life.states(_2=VersionState.STOPPED), stamp=a_stamp()).deployment
    in_error = delete_deployment(life.now, life.states(_2=VersionState.ERROR), stamp=a_stamp())
    assert in_error.deployment.desired is DeploymentDesired.DELETE


@pytest.mark.contract("B02")
def test_a_failed_version_gives_way_to_the_one_before_with_the_diagnosis() -> None:
    life = Life(2)
    noted = note_failure(life.now, life.failed(2))
    assert isinstance(noted, Deployment)
    decision = roll_back(noted, life.failed(2), life.versions[1], stamp=a_stamp())
    assert not isinstance(decision, Ignored)
    assert decision.event.change is DeploymentChange.ROLLED_BACK
    assert decision.event.detail == "version 2 -> 1: the model's file is damaged"
    assert (decision.deployment.version.spec.number, decision.deployment.generation) == (1, 3)


def test_the_same_failure_again_changes_nothing() -> None:
    life = Life(2)
    assert life.fail(2, generation=2) is DeploymentChange.ROLLED_BACK
    assert life.fail(2, generation=2) == "version 1 is active by now"


def test_a_failure_of_before_a_restart_is_old() -> None:
    life = Life(2)
    life.now = restart_version(life.now, life.versions[2], {}, stamp=a_stamp()).deployment
    assert life.fail(2, generation=2) == "version 2 was started again since"
    assert life.fail(2) is DeploymentChange.ROLLED_BACK


def test_scaling_in_the_middle_of_a_rollout_does_not_hide_a_failure() -> None:
    life = Life(2)
    generation = life.now.generation
    life.now = replace(life.now, replicas=5, generation=generation + 1)
    assert life.fail(2, generation=generation) is DeploymentChange.ROLLED_BACK


def test_nothing_leads_back_to_a_version_that_failed() -> None:
    life = Life(2)
    life.fail(2)
    assert life.fail(1) == "there is no version that worked before it"
    assert (life.active, life.now.failed_numbers) == (1, (2, 1))
    life.add()
    assert life.fail(3) == "there is no version that worked before it"


def test_after_a_rollback_the_next_version_leads_back_to_the_one_that_works() -> None:
    life = Life(2)
    life.fail(2)
    life.add()
    assert life.fail(3) is DeploymentChange.ROLLED_BACK
    assert life.active == 1


def test_a_failed_version_that_somebody_starts_again_has_another_chance() -> None:
    life = Life(2)
    life.fail(2)
    life.start(2)
    assert life.now.failed_numbers == ()
    assert life.fail(2) is DeploymentChange.ROLLED_BACK


def test_without_rollback_the_failure_is_only_remembered() -> None:
    life = Life(2, rollout=RolloutDraft(is_rolled_back=False))
    assert life.fail(2) == "rollout.is_rolled_back is false"
    assert (life.active, life.now.failed_numbers, life.now.generation) == (2, (2,), 2)


def test_what_is_stopped_or_paused_stays_as_it_is() -> None:
    life = Life(2)
    running = life.now
    life.now = replace(running, is_paused=True)
    assert life.fail(2) == "the deployment is paused"
    life.now = replace(running, desired=STOP)
    assert life.fail(2) == "the deployment is to stop"


def test_a_deleted_version_is_not_gone_back_to() -> None:
    life = Life(2)
    life.now = delete_version(life.now, life.versions[1], {}, successor=life.versions[2], stamp=a_stamp()).deployment
    assert life.fail(2) == "there is no version that worked before it"
