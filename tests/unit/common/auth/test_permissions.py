"""The permission table."""

from typing import get_args

import pytest

from roundhouse_common.auth import ACTIONS, PERMISSIONS, PLATFORM_ACTIONS, Action, Role, Subject, actions_in, allowed


def subject(*roles: Role) -> Subject:
    return Subject(id="usr_1", tenant_id="ten_1", roles=frozenset(roles))


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_administrator_of_a_tenant_may_do_everything_there_but_what_belongs_to_no_tenant(action: Action) -> None:
    assert allowed(subject(Role.ADMINISTRATOR), action, "ten_1") == (action not in PLATFORM_ACTIONS)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_administrator_of_the_platform_may_do_everything_everywhere(action: Action) -> None:
    administrator = Subject(id="usr_1", tenant_id="ten_1", platform_roles=frozenset({Role.ADMINISTRATOR}))
    assert allowed(administrator, action, "ten_1")
    assert allowed(administrator, action, "ten_2")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_nobody_may_do_anything_in_another_tenant(action: Action) -> None:
    assert not allowed(subject(*Role), action, "ten_2")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_viewer_changes_nothing_but_the_own_account(action: Action) -> None:
    if allowed(subject(Role.VIEWER), action, "ten_1"):
        assert action.endswith(":read") or action in {"self:write", "usage:own"}


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_subject_without_a_role_may_do_nothing(action: Action) -> None:
    assert not allowed(subject(), action, "ten_1")


def test_role_in_a_project_holds_for_things_of_that_project_only() -> None:
    deployer = Subject(id="usr_1", tenant_id="ten_1", project_roles={"prj_1": frozenset({Role.DEPLOYER})})
    assert allowed(deployer, "deployments:write", "ten_1", "prj_1")
    assert not allowed(deployer, "deployments:write", "ten_1", "prj_2")
    assert not allowed(deployer, "deployments:write", "ten_1")
    assert not allowed(deployer, "deployments:write", "ten_2", "prj_1")


def test_own_roles_of_a_tenant_grant_actions_there_and_never_on_the_platform() -> None:
    granted = Subject(id="usr_1", tenant_id="ten_1", grants=frozenset({"logs:read", "platform:admin"}))
    assert actions_in(granted) == {"logs:read"}
    assert not allowed(granted, "logs:read", "ten_2")


def test_standard_user_sees_only_what_the_own_keys_used() -> None:
    assert "usage:own" in actions_in(subject(Role.USER))
    assert not {"usage:read", "keys:admin", "logs:read"} & actions_in(subject(Role.USER))


def test_table_covers_every_role_and_only_known_actions() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert frozenset().union(*PERMISSIONS.values()) == set(get_args(Action))
