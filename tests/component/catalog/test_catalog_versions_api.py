"""`/deployments/{id}/versions`: many, at most one active; what the scheduler says decides what may be done."""

from typing import Any

import pytest

from roundhouse_common.contracts.scheduler import VersionState
from tests.component.catalog.world import World

PREPARING, RUNNING, SHUTTING_DOWN = VersionState.PREPARING, VersionState.RUNNING, VersionState.SHUTTING_DOWN


async def a_deployment(world: World, versions: int = 2) -> str:
    """Make a deployment with so many versions, of which the newest is the active one; return its path."""
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    for number in range(2, versions + 1):
        await world.post(f"{path}/versions", {"parameters": {"parallel": str(number)}})
    return path


async def says(world: World, path: str, **states: VersionState) -> None:
    """Let the scheduler say this of versions, by `v1`, `v2`, ..."""
    shown = {one["number"]: one["id"] for one in (await world.get(f"{path}/versions")).json()["items"]}
    world.states = {shown[int(name[1:])]: state for name, state in states.items()}


async def numbers(world: World, path: str) -> list[tuple[int, bool]]:
    return [(one["number"], one["is_active"]) for one in (await world.get(f"{path}/versions")).json()["items"]]


@pytest.mark.contract("B04")
async def test_a_version_may_be_added_without_taking_over_and_started_later(world: World) -> None:
    path = await a_deployment(world, versions=1)
    added = await world.post(f"{path}/versions", {"parameters": {"parallel": "2"}, "activate": False})
    assert (added.status_code, added.json()["is_active"]) == (201, False)
    assert added.headers["location"] == f"/api/v1{path}/versions/2"
    assert await numbers(world, path) == [(1, True), (2, False)]
    started = (await world.post(f"{path}/versions/2:start")).json()
    assert (started["active_version"]["number"], started["generation"]) == (2, 3)
    assert await numbers(world, path) == [(1, False), (2, True)]


@pytest.mark.contract("B04")
async def test_starting_a_version_starts_a_stopped_deployment_and_repeating_it_changes_nothing(world: World) -> None:
    path = await a_deployment(world)
    await world.post(f"{path}:stop")
    seen = [(await world.post(f"{path}/versions/1:start")).json() for _ in range(2)]
    assert [(one["desired"], one["active_version"]["number"], one["generation"]) for one in seen] == [("run", 1, 4)] * 2


async def test_one_version_is_shown_by_its_number(world: World) -> None:
    path = await a_deployment(world)
    shown = (await world.get(f"{path}/versions/1")).json()
    assert (shown["number"], shown["is_active"], shown["template"], shown["memory_need"]) == (1, False, "", None)
    for number in ("3", "999999999999"):
        assert (await world.get(f"{path}/versions/{number}")).status_code in (404, 422)


@pytest.mark.contract("B03")
@pytest.mark.parametrize("state", [VersionState.ERROR, VersionState.STOPPED])
async def test_an_inactive_version_is_restarted(sqlite_world: World, state: VersionState) -> None:
    path = await a_deployment(sqlite_world)
    await says(sqlite_world, path, v2=state)
    restarted = await sqlite_world.post(f"{path}/versions/2:restart")
    assert (restarted.status_code, restarted.json()["restarts"], restarted.json()["generation"]) == (200, 1, 3)


@pytest.mark.contract("B05")
@pytest.mark.parametrize("state", [PREPARING, RUNNING, SHUTTING_DOWN])
async def test_an_active_version_is_left_alone_and_the_refusal_says_what_to_do(
    sqlite_world: World, state: VersionState
) -> None:
    path = await a_deployment(sqlite_world)
    await says(sqlite_world, path, v1=state, v2=RUNNING)
    before = (await sqlite_world.get(path)).json()
    for refused in (
        await sqlite_world.post(f"{path}/versions/1:restart"),
        await sqlite_world.delete(f"{path}/versions/1"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "version_active")
        assert f'Version 1 of "smol-a" is {state.value}' in refused.json()["detail"]
        assert "wait until it has shut down" in refused.json()["detail"]
    assert (await sqlite_world.get(path)).json() == before


@pytest.mark.contract("B05")
async def test_an_inactive_version_is_deleted_for_good_and_its_number_with_it(world: World) -> None:
    path = await a_deployment(world, versions=3)
    await says(world, path, v3=RUNNING)
    assert (await world.delete(f"{path}/versions/1")).status_code == 204
    assert await numbers(world, path) == [(2, False), (3, True)]
    await world.post(f"{path}/versions/2:start")
    await says(world, path, v2=RUNNING)
    assert (await world.delete(f"{path}/versions/3")).status_code == 204
    assert (await world.post(f"{path}/versions", {})).json()["number"] == 4


@pytest.mark.contract("B03")
async def test_a_wanted_version_in_error_can_be_deleted_and_the_deployment_stops(world: World) -> None:
    path = await a_deployment(world)
    await says(world, path, v2=VersionState.ERROR)
    assert (await world.delete(f"{path}/versions/2")).status_code == 204
    shown = (await world.get(path)).json()
    assert (shown["desired"], shown["active_version"]["number"]) == ("stop", 1)
    last = await world.delete(f"{path}/versions/1")
    assert (last.status_code, last.json()["code"]) == (409, "last_version")
    assert "Delete the deployment instead" in last.json()["detail"]


@pytest.mark.contract("B06")
async def test_a_deployment_is_not_deleted_while_a_version_shuts_down(world: World) -> None:
    path = await a_deployment(world)
    await world.post(f"{path}:stop")
    await says(world, path, v1=SHUTTING_DOWN)
    refused = await world.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "version_active")
    world.states = {}
    assert (await world.delete(path)).status_code == 204


@pytest.mark.contract("B06")
async def test_a_deployment_in_error_is_deleted_as_it_is(world: World) -> None:
    path = await a_deployment(world)
    await says(world, path, v2=VersionState.ERROR)
    assert (await world.delete(path)).status_code == 204


async def test_without_the_scheduler_nothing_is_changed_and_it_is_said(sqlite_world: World) -> None:
    path = await a_deployment(sqlite_world)
    await sqlite_world.post(f"{path}:stop")
    before = (await sqlite_world.get(path)).json()
    sqlite_world.scheduler_is_away = True
    for refused in (
        await sqlite_world.post(f"{path}/versions/1:restart"),
        await sqlite_world.delete(f"{path}/versions/1"),
        await sqlite_world.delete(path),
    ):
        assert (refused.status_code, refused.json()["code"]) == (503, "scheduler_away")
        assert "Nothing was changed" in refused.json()["detail"]
    assert (await sqlite_world.get(path)).json() == before


async def test_a_change_between_the_question_and_the_answer_is_a_conflict(sqlite_world: World) -> None:
    path = await a_deployment(sqlite_world)
    asked = sqlite_world.version_states

    async def meanwhile(deployment: Any) -> Any:
        await sqlite_world.patch(path, {"replicas": 2})
        return await asked(deployment)

    sqlite_world.ask = meanwhile
    assert (await sqlite_world.delete(f"{path}/versions/1")).status_code == 409


@pytest.mark.contract("B07")
async def test_settings_are_kept_changed_and_switched_off(world: World) -> None:
    await world.model()
    settings = {
        "rollout": {
            "strategy": "recreate",
            "max_surge": 0,
            "max_unavailable": 1,
            "min_ready_s": 5.0,
            "progress_deadline_s": 60.0,
            "is_rolled_back": False,
        },
        "autoscale": {
            "min_replicas": 0,
            "max_replicas": 3,
            "target_in_flight": 4.0,
            "target_queue": 0.0,
            "target_ttft_s": 0.0,
            "up_stabilization_s": 1.0,
            "down_stabilization_s": 60.0,
            "idle_s": 120.0,
            "windows": [
                {
                    "name": "office",
                    "cron": "0 8 * * mon-fri",
                    "timezone": "Europe/Berlin",
                    "duration_s": 36_000.0,
                    "min_replicas": 2,
                    "max_replicas": 4,
                }
            ],
        },
        "is_evictable": True,
        "wake_timeout_s": 30.0,
        "failure_budget": 3,
    }
    deployment = await world.deployment(**settings)
    assert {name: deployment[name] for name in settings} == settings
    path = f"/deployments/{deployment['id']}"
    changed = (await world.patch(path, {"failure_budget": 4})).json()
    assert {name: changed[name] for name in settings} == {**settings, "failure_budget": 4}
    assert (await world.patch(path, {"autoscale": None})).json()["autoscale"] is None


async def test_a_bad_window_is_refused_with_its_field(sqlite_world: World) -> None:
    await sqlite_world.model()
    window = {
        "name": "w",
        "cron": "0 25 * * *",
        "timezone": "Mars",
        "duration_s": 60,
        "min_replicas": 1,
        "max_replicas": 1,
    }
    refused = await sqlite_world.post(
        "/deployments", {"name": "smol-a", "model": "smol", "autoscale": {"windows": [window]}}
    )
    faults = {one["field"]: one["message"] for one in refused.json()["errors"]}
    assert faults.keys() == {"autoscale.windows.0.cron", "autoscale.windows.0.timezone"}
    assert faults["autoscale.windows.0.cron"].startswith('"25" found for the hour; 0 to 23 is allowed')


async def test_pausing_holds_and_resuming_lets_go_on(world: World) -> None:
    path = await a_deployment(world, versions=1)
    seen = [(await world.post(f"{path}:{verb}")).json() for verb in ("pause", "pause", "resume")]
    assert [(one["is_paused"], one["generation"]) for one in seen] == [(True, 2), (True, 2), (False, 3)]
