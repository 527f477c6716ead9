"""The permission table."""

from typing import get_args

import pytest

from roundhouse_common.auth import ACTIONS, PERMISSIONS, Action, Role, Subject, allowed


def subject(*roles: Role) -> Subject:
    return Subject(id="usr_1", tenant_id="ten_1", roles=frozenset(roles))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_administrator_may_do_everything_in_the_own_tenant(action: Action) -> None:
    assert allowed(subject(Role.ADMINISTRATOR), action, "ten_1")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_nobody_may_do_anything_in_another_tenant(action: Action) -> None:
    assert not allowed(subject(*Role), action, "ten_2")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_viewer_may_read_and_nothing_else(action: Action) -> None:
    assert allowed(subject(Role.VIEWER), action, "ten_1") == action.endswith(":read")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_subject_without_a_role_may_do_nothing(action: Action) -> None:
    assert not allowed(subject(), action, "ten_1")


def test_table_covers_every_role_and_only_known_actions() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert frozenset().union(*PERMISSIONS.values()) == set(get_args(Action))
