"""Switches as the console tells them."""

from typing import Any

import pytest

from roundhouse_console.domain.switches import STATES, is_over, room_of, state_of, switchable

pytestmark = pytest.mark.contract("A13")


def a_switch(state: str, **stated: Any) -> dict[str, Any]:
    return {"state": state, "is_cancelling": False, "victims": [], **stated}


def test_every_state_of_the_scheduler_has_words() -> None:
    assert set(STATES) == {"waiting", "evicting", "starting", "ready", "failed", "cancelled"}
    assert [name for name in STATES if is_over(a_switch(name))] == ["ready", "failed", "cancelled"]


def test_one_that_is_being_called_off_says_so_until_it_is_over() -> None:
    assert state_of(a_switch("evicting", is_cancelling=True)) == ("Being called off", "busy")
    assert state_of(a_switch("cancelled", is_cancelling=True)) == ("Called off", "quiet")
    assert state_of(a_switch("newer than us")) == ("newer than us", "quiet")


def test_who_made_room_is_told_by_name() -> None:
    victims = [{"deployment_id": "dep_1", "name": "coder"}, {"deployment_id": "", "name": ""}]
    assert room_of(a_switch("ready", victims=victims)) == ["coder", ""]


def test_only_what_is_wanted_can_be_switched_to() -> None:
    deployments = [
        {"id": "dep_2", "name": "b", "desired": "run"},
        {"id": "dep_1", "name": "a", "desired": "run"},
        {"id": "dep_3", "name": "c", "desired": "stop"},
    ]
    assert list(switchable(deployments).values()) == ["a", "b"]
