"""Settings of a deployment: every fault names its field, what was found and what is allowed."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from roundhouse_catalog.domain import deployments
from roundhouse_catalog.domain.drafts import DeploymentPatch, RolloutDraft
from roundhouse_catalog.domain.records import spec_record
from roundhouse_common.contracts.catalog import Autoscale, DeploymentChange, ReplicaWindow, RolloutStrategy
from roundhouse_common.errors import InvalidInput
from tests.unit.catalog.builders import a_deployment, a_stamp

WINDOW = ReplicaWindow(name="office", cron="0 8 * * mon-fri", duration_s=36_000, min_replicas=2, max_replicas=8)


def autoscale(**changes: Any) -> Autoscale:
    return msgspec.structs.replace(
        Autoscale(min_replicas=1, max_replicas=4, target_in_flight=8, windows=(WINDOW,)), **changes
    )


def window(**changes: Any) -> Autoscale:
    return autoscale(windows=(msgspec.structs.replace(WINDOW, **changes),))


@pytest.mark.parametrize(
    ("settings", "field", "told"),
    [
        ({"wake_timeout_s": 0}, "wake_timeout_s", "0 found; 1 to 3600 seconds is allowed"),
        ({"failure_budget": 0}, "failure_budget", "0 found; 1 to 1000 is allowed"),
        (
            {"rollout": RolloutDraft(strategy="rollin")},
            "rollout.strategy",
            "allowed are rolling, recreate. Did you mean",
        ),
        ({"rollout": RolloutDraft(max_surge=-1)}, "rollout.max_surge", "-1 found; 0 to 1000"),
        ({"rollout": RolloutDraft(max_surge=0)}, "rollout.max_surge", "nothing could ever be replaced"),
        ({"rollout": RolloutDraft(min_ready_s=60, progress_deadline_s=30)}, "rollout.progress_deadline_s", "more than"),
        ({"autoscale": autoscale(min_replicas=5)}, "autoscale.max_replicas", "4 found; at least min_replicas (5)"),
        ({"autoscale": autoscale(max_replicas=0)}, "autoscale.max_replicas", "0 found; 1 to 1000"),
        ({"autoscale": autoscale(target_in_flight=0)}, "autoscale.max_replicas", "nothing says when to grow"),
        ({"autoscale": autoscale(target_ttft_s=-1)}, "autoscale.target_ttft_s", "-1 found"),
        ({"autoscale": autoscale(idle_s=0)}, "autoscale.idle_s", "0 found; 1 to"),
        ({"autoscale": autoscale(windows=(WINDOW, WINDOW))}, "autoscale.windows.1.name", "office found twice"),
        ({"autoscale": window(cron="61 8 * * *")}, "autoscale.windows.0.cron", '"61" found for the minute; 0 to 59'),
        ({"autoscale": window(timezone="Berlin")}, "autoscale.windows.0.timezone", "IANA time zone"),
        ({"autoscale": window(duration_s=1)}, "autoscale.windows.0.duration_s", "1 found; 60 to"),
        (
            {"autoscale": window(min_replicas=9)},
            "autoscale.windows.0.max_replicas",
            "8 found; at least min_replicas (9)",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any], field: str, told: str) -> None:
    for attempt in (
        lambda: a_deployment(**settings),
        lambda: deployments.revise_deployment(a_deployment(), DeploymentPatch(**settings), stamp=a_stamp()),
    ):
        with pytest.raises(InvalidInput) as refused:
            attempt()
        [fault] = refused.value.fields
        assert (fault.field, told in fault.message) == (field, True), fault


def test_recreating_needs_no_room_for_both() -> None:
    rollout = RolloutDraft(strategy="recreate", max_surge=0)
    assert spec_record(a_deployment(rollout=rollout)).rollout.strategy is RolloutStrategy.RECREATE


def test_settings_reach_the_scheduler() -> None:
    deployment = a_deployment(
        autoscale=autoscale(), is_evictable=True, wake_timeout_s=20, failure_budget=3, rollout=RolloutDraft(max_surge=2)
    )
    spec = spec_record(replace(deployment, is_paused=True, restarts=2))
    assert spec.autoscale == autoscale()
    assert (spec.is_evictable, spec.wake_timeout_s, spec.failure_budget) == (True, 20, 3)
    assert (spec.rollout.max_surge, spec.is_paused, spec.restarts) == (2, True, 2)


def test_a_change_of_settings_says_which() -> None:
    before = a_deployment(autoscale=autoscale())
    patch = DeploymentPatch(failure_budget=3, is_evictable=True, autoscale=None, rollout=RolloutDraft(max_surge=2))
    decision = deployments.revise_deployment(before, patch, stamp=a_stamp())
    assert decision is not None
    assert decision.event.change is DeploymentChange.UPDATED
    assert decision.event.detail == "rollout, autoscale off, is_evictable false -> true, failure_budget 10 -> 3"


def test_automatic_scaling_stays_when_it_is_not_stated() -> None:
    before = a_deployment(autoscale=autoscale())
    decision = deployments.revise_deployment(before, DeploymentPatch(replicas=3), stamp=a_stamp())
    assert decision is not None
    assert decision.deployment.settings.autoscale == autoscale()


@pytest.mark.contract("B07")
@pytest.mark.parametrize(("replicas", "is_allowed"), [(0, False), (1, True), (8, True), (9, False)])
def test_a_number_that_automatic_scaling_would_leave_at_once_is_refused(replicas: int, is_allowed: bool) -> None:
    window = ReplicaWindow(name="day", cron="0 8 * * *", duration_s=3600, min_replicas=2, max_replicas=8)
    scaling = Autoscale(min_replicas=0, max_replicas=4, target_in_flight=2, windows=(window,))
    before, patch = a_deployment(autoscale=scaling, replicas=2), DeploymentPatch(replicas=replicas)
    if is_allowed:
        assert deployments.revise_deployment(before, patch, stamp=a_stamp()) is not None
        return
    with pytest.raises(InvalidInput) as refused:
        deployments.revise_deployment(before, patch, stamp=a_stamp())
    [fault] = refused.value.fields
    assert fault.field == "replicas"
    assert fault.message.startswith(f"{replicas} found; it is scaled automatically, within 1 to 8: change autoscale")
    off = DeploymentPatch(replicas=replicas, autoscale=None)
    assert deployments.revise_deployment(before, off, stamp=a_stamp()) is not None


def test_pausing_and_resuming_are_changes_once() -> None:
    paused = deployments.pause_deployment(a_deployment(), stamp=a_stamp())
    assert paused is not None
    assert paused.event.change is DeploymentChange.PAUSED
    assert deployments.pause_deployment(paused.deployment, stamp=a_stamp()) is None
    resumed = deployments.resume_deployment(paused.deployment, stamp=a_stamp())
    assert resumed is not None
    assert (resumed.event.change, resumed.deployment.is_paused) == (DeploymentChange.RESUMED, False)
