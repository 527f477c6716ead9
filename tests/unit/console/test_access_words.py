"""Keys, quotas, roles and audit entries as people read and type them."""

import pytest

from roundhouse_console.domain.access import (
    action_groups,
    browser_of,
    expiry,
    group_rules,
    group_rules_text,
    key_scope,
    last_used,
    parts_of,
    patterns,
    patterns_text,
    quota_body,
    quota_text,
    role_names,
    state_of_secret,
    try_command,
)
from roundhouse_console.domain.audit import audit_query, change_rows

_NOW = 1_800_000_000.0
_TENANTS = {"ten_1": "Research", "ten_default": "default"}


@pytest.mark.parametrize(
    ("revoked", "expires", "state"),
    [
        (None, None, "Active"),
        (None, "2030-01-01T00:00:00Z", "Active"),
        (None, "2026-01-01T00:00:00Z", "Expired"),
        ("2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "Revoked"),
    ],
)
def test_a_secret_is_active_expired_or_revoked(revoked: str | None, expires: str | None, state: str) -> None:
    assert state_of_secret({"revoked_at": revoked, "expires_at": expires}, _NOW)[0] == state


def test_what_a_key_is_kept_to_has_names_where_they_are_known() -> None:
    key = {"models": ["llama-*"], "deployment_ids": ["dep_1", "dep_2"], "ip_ranges": ["10.0.0.0/8"]}
    assert key_scope(key, {"dep_1": "chat"}) == "llama-*, chat, dep_2, 10.0.0.0/8"


def test_the_last_use_of_a_key_is_its_last_bucket_with_requests() -> None:
    items = [
        {"key": "key_1", "requests": 2, "bucket_start": "2026-11-02T00:00:00Z"},
        {"key": "key_1", "requests": 3, "bucket_start": "2026-11-01T00:00:00Z"},
        {"key": "key_1", "requests": 0, "bucket_start": "2026-11-03T00:00:00Z"},
        {"key": "key_2", "requests": 0, "bucket_start": "2026-11-03T00:00:00Z"},
    ]
    assert last_used(items) == {"key_1": (5, "2026-11-02T00:00:00Z")}


def test_lists_are_typed_with_commas_spaces_or_lines() -> None:
    assert parts_of(" a, b\nc;d  e，f ") == ["a", "b", "c", "d", "e", "f"]
    assert parts_of(None) == []


def test_zero_days_are_never() -> None:
    assert expiry(0, _NOW) is None
    assert expiry(1, 0.0) == "1970-01-02T00:00:00+00:00"


def test_quotas_come_back_as_they_were_typed() -> None:
    body = quota_body(4, None, "1.5 TiB")
    assert body == {"devices": 4, "replicas": None, "storage_bytes": 1_649_267_441_664}
    assert quota_text(body) == ("4", "", "1.5 TiB")
    assert quota_body(None, None, "  ") == {"devices": None, "replicas": None, "storage_bytes": None}
    assert quota_body(None, None, "1000")["storage_bytes"] == 1000


def test_a_size_that_is_none_says_how_to_write_one() -> None:
    with pytest.raises(ValueError, match="8 GiB or 600 MiB"):
        quota_body(None, None, "a lot")


def test_roles_in_projects_name_the_project() -> None:
    member = {"roles": ["user"], "own_role_ids": ["rol_1"], "project_roles": {"prj_1": ["deployer"], "prj_2": ["user"]}}
    assert role_names(member, {"rol_1": "on call"}, {"prj_1": "search"}) == (
        "user, on call, deployer @ search, user @ prj_2"
    )


def test_actions_are_grouped_by_what_they_are_about() -> None:
    assert action_groups(["models:write", "keys:read", "models:read"]) == {
        "keys": ["read"],
        "models": ["read", "write"],
    }


def test_patterns_come_back_as_they_were_typed_and_may_hold_an_equals_sign() -> None:
    text = r"staff = E-\d{6}" + "\n" + "pair = a=b"
    assert patterns(text)[1] == {"name": "pair", "expression": "a=b"}
    assert patterns_text(patterns(text)) == text
    with pytest.raises(ValueError, match="no pattern"):
        patterns("only words")


def test_rules_of_groups_name_tenants_and_come_back_as_they_were_typed() -> None:
    text = "ml=team = Research: deployer, user\nroot = administrator"
    rules = group_rules(text, _TENANTS)
    assert rules == [
        {"group": "ml=team", "tenant_id": "ten_1", "roles": ["deployer", "user"]},
        {"group": "root", "tenant_id": "", "roles": ["administrator"]},
    ]
    assert group_rules_text(rules, _TENANTS) == text


@pytest.mark.parametrize("text", ["team", "team =", "= user", "team = Elsewhere: user", "team = Research:"])
def test_rules_of_groups_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no rule|no tenant"):
        group_rules(text, _TENANTS)


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "Chrome, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", "Edge, Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/17 Safari/605", "Safari, macOS"),
        ("roundhouse-cli/0.1.0 python", "roundhouse-cli/0.1.0"),
        ("", ""),
    ],
)
def test_browsers_are_named(agent: str, shown: str) -> None:
    assert browser_of(agent) == shown


def test_the_command_to_try_a_key_has_the_address_the_model_and_the_secret() -> None:
    command = try_command("http://host:1", "chat", "rh-secret")
    assert "http://host:1/v1/chat/completions" in command
    assert '"model": "chat"' in command
    assert "Bearer rh-secret" in command


def test_only_filters_of_the_audit_are_passed_on() -> None:
    assert audit_query({"actor": "user:usr_1", "action": "", "format": "csv", "limit": "1"}) == {"actor": "user:usr_1"}


def test_changes_are_shown_before_and_after() -> None:
    change = {"roles": [["user"], ["user", "viewer"]], "name": [None, "x"], "is_disabled": [False, True]}
    assert change_rows(change) == [
        ("is_disabled", "false", "true"),
        ("name", "", "x"),
        ("roles", '["user"]', '["user", "viewer"]'),
    ]
