"""`roundhouse routes` against a scripted catalog: what is asked, what is printed, how it ends."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("D08")

PATH = "/api/v1/routes"
AT = "2026-11-21T09:00:00.000Z"
STABLE, CANARY = "dep_" + "a" * 32, "dep_" + "b" * 32
PROVIDER, KEY = "prv_" + "c" * 32, "key_" + "d" * 32


def a_target(deployment_id: str = "", **changes: Any) -> dict[str, Any]:
    bare = {"deployment_id": deployment_id, "provider_id": "", "model": "", "weight": 1, "priority": 0, "match": None}
    return {**bare, **changes}


def a_route(name: str, *targets: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "rte_" + "1" * 24 + name[:8].rjust(8, "0"),
        "name": name,
        "is_platform": False,
        "deployment_id": "",
        "model_kind": "chat",
        "targets": list(targets),
        "alias_of": "",
        "balancing": {"strategy": "least-in-flight", "weights": {}, "load_ceiling": 1.5},
        "fallbacks": [],
        "timeouts": {"first_token_s": 0.0, "idle_s": 0.0, "total_s": 0.0},
        "cache": {"ttl_s": 0.0, "max_answer_bytes": 1048576},
        "created_at": AT,
        **changes,
    }


SPLIT = a_route("chat", a_target(STABLE, weight=90), a_target(CANARY, weight=10))


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    server.items("/api/v1/deployments", {"id": STABLE, "name": "stable"}, {"id": CANARY, "name": "canary"})
    server.items("/api/v1/providers", {"id": PROVIDER, "name": "together"})
    server.items("/api/v1/api-keys", {"id": KEY, "name": "laptop"})
    server.items(PATH, SPLIT, a_route("gpt-4", alias_of="chat"))
    server.on("GET", f"{PATH}/{SPLIT['id']}", SPLIT, headers={"etag": '"3"'})
    server.on("PATCH", f"{PATH}/{SPLIT['id']}", SPLIT)
    server.on("DELETE", f"{PATH}/{SPLIT['id']}", b"", status=204)
    server.on("POST", PATH, SPLIT, status=201)
    return server


def sent(catalog: Scripted, method: str = "POST") -> dict[str, Any]:
    body: dict[str, Any] = catalog.last(method).body
    return body


def test_routes_are_listed_with_where_they_lead(roundhouse: Command, catalog: Scripted) -> None:
    matched = a_target(
        provider_id=PROVIDER,
        model="llama",
        priority=1,
        match={"header": "x-beta", "value": "1", "key_ids": [KEY], "user_ids": ["ann"]},
    )
    catalog.answers["GET", PATH].clear()
    catalog.items(PATH, SPLIT, a_route("gpt-4", alias_of="chat"), a_route("all", matched, is_platform=True))

    _, split, alias, all_of_it = roundhouse("routes", "ls").out.splitlines()

    assert "stable=90, canary=10" in split
    assert "the route chat" in alias
    assert "together/llama=1@1 (for x-beta=1 and key dddddddd and user ann)" in all_of_it
    assert "platform" in all_of_it


def test_a_split_is_created_by_the_names_of_deployments(roundhouse: Command, catalog: Scripted) -> None:
    result = roundhouse("routes", "create", "chat", "--to", "stable=90", "--to", "canary=10")
    assert "chat leads to stable=90, canary=10." in result.err
    assert sent(catalog) == {
        "name": "chat",
        "targets": [
            {"weight": 90, "priority": 0, "deployment_id": STABLE},
            {"weight": 10, "priority": 0, "deployment_id": CANARY},
        ],
        "alias_of": "",
    }


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        (("--to", "stable"), {"weight": 1, "priority": 0, "deployment_id": STABLE}),
        (("--to", "stable=0@2"), {"weight": 0, "priority": 2, "deployment_id": STABLE}),
        (("--to", "together/"), {"weight": 1, "priority": 0, "provider_id": PROVIDER, "model": ""}),
        (
            ("--to", "together/a/b:c@20260101=3@1"),
            {"weight": 3, "priority": 1, "provider_id": PROVIDER, "model": "a/b:c@20260101"},
        ),
        (
            ("--to-header", "X-Beta=yes:canary"),
            {"weight": 1, "priority": 0, "deployment_id": CANARY, "match": {"header": "x-beta", "value": "yes"}},
        ),
        (
            ("--to-header", "x-beta:canary=2"),
            {"weight": 2, "priority": 0, "deployment_id": CANARY, "match": {"header": "x-beta", "value": ""}},
        ),
        (
            ("--to-key", "laptop:canary"),
            {"weight": 1, "priority": 0, "deployment_id": CANARY, "match": {"key_ids": [KEY]}},
        ),
        (
            ("--to-user", "ann:together/x:y"),
            {"weight": 1, "priority": 0, "provider_id": PROVIDER, "model": "x:y", "match": {"user_ids": ["ann"]}},
        ),
    ],
)
def test_targets_are_read(roundhouse: Command, catalog: Scripted, typed: tuple[str, str], target: Any) -> None:
    assert roundhouse("routes", "create", "chat", *typed).code == 0
    assert sent(catalog)["targets"] == [target]


def test_every_setting_that_is_stated_is_sent_and_no_other(roundhouse: Command, catalog: Scripted) -> None:
    options = (
        "--alias-of chat --balancing weighted --weight eu=3 --load-ceiling 2 --any-region --spill 4 --split-by user "
        "--session-header x-session --fallback spare --fallback context-length=long --first-token-timeout 5s "
        "--idle-timeout 2 --total-timeout 1m --attempts 2 --keep-429 --in-flight 8 --queue 100 --queue-deadline 10s "
        "--cache 10m --cache-answer 1MiB --coalesce --continue --key laptop --tenant ten_x --platform --kind chat"
    )
    assert roundhouse("routes", "create", "gpt-*", *options.split()).code == 0
    assert sent(catalog) == {
        "name": "gpt-*",
        "alias_of": "chat",
        "targets": [],
        "model_kind": "chat",
        "split_by": "user",
        "is_coalesced": True,
        "is_continued": True,
        "balancing": {
            "strategy": "weighted",
            "weights": {"eu": 3},
            "session_header": "x-session",
            "load_ceiling": 2.0,
            "is_local_preferred": False,
            "spill_in_flight": 4,
        },
        "fallbacks": [{"reason": "error", "route": "spare"}, {"reason": "context-length", "route": "long"}],
        "timeouts": {"first_token_s": 5.0, "idle_s": 2.0, "total_s": 60.0},
        "retries": {"max_attempts": 2, "is_429_retried": False},
        "queue": {"in_flight_per_endpoint": 8, "max_waiting": 100, "deadline_s": 10.0},
        "cache": {"ttl_s": 600.0, "max_answer_bytes": 1048576},
        "key_ids": [KEY],
        "tenant_ids": ["ten_x"],
        "is_platform": True,
    }


def test_a_change_keeps_what_is_not_stated(roundhouse: Command, catalog: Scripted) -> None:
    assert roundhouse("routes", "set", "chat", "--first-token-timeout", "5s", "--no-fallbacks", "--all-keys").code == 0
    asked = catalog.last("PATCH")
    assert asked.headers["if-match"] == '"3"'
    assert asked.body == {
        "timeouts": {"first_token_s": 5.0, "idle_s": 0.0, "total_s": 0.0},
        "fallbacks": [],
        "key_ids": [],
    }


def test_targets_end_an_alias_and_an_alias_ends_targets(roundhouse: Command, catalog: Scripted) -> None:
    roundhouse("routes", "set", "chat", "--to", "stable=50", "--to", "canary=50")
    assert sent(catalog, "PATCH")["alias_of"] == ""
    roundhouse("routes", "set", "chat", "--alias-of", "gpt-4", "--name", "talk", "--all-tenants")
    assert sent(catalog, "PATCH") == {"alias_of": "gpt-4", "targets": [], "name": "talk", "tenant_ids": []}


def test_a_route_is_shown_whole_and_removed(roundhouse: Command, catalog: Scripted) -> None:
    shown = roundhouse("routes", "show", "chat").out
    assert "stable=90, canary=10" in shown
    assert "balancing.strategy" in shown
    assert roundhouse("routes", "show", "chat", "-o", "json").json == SPLIT
    assert "chat is removed." in roundhouse("routes", "rm", "chat").err


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (("create", "chat"), 2, "--to DEPLOYMENT, or --alias-of ROUTE"),
        (("create", "chat", "--to", "stable", "--alias-of", "x"), 2, "or --to"),
        (("create", "chat", "--to-header", "x-beta"), 2, "HEADER:TARGET"),
        (("create", "chat", "--to", "stable", "--weight", "eu=x"), 2, "whole number"),
        (("create", "chat", "--to", "stable", "--cache", "soon"), 2, "--cache"),
        (("create", "chat", "--to", "gone"), 1, "PROVIDER/MODEL"),
        (("create", "chat", "--to", "gone/x"), 1, "provider"),
        (("set", "chat"), 2, "State what to change"),
        (("set", "gone", "--coalesce"), 1, "gone"),
        (("rm", "gone"), 1, "gone"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    roundhouse: Command, catalog: Scripted, typed: tuple[str, ...], code: int, words: str
) -> None:
    result = roundhouse.fails("routes", *typed)
    assert (result.code, words in result.err) == (code, True), result.err


def test_what_the_catalog_refuses_is_shown(roundhouse: Command, catalog: Scripted) -> None:
    catalog.answers["DELETE", f"{PATH}/{SPLIT['id']}"].clear()
    why = 'The route "chat" is named as alias or fallback by the routes gpt-4. Change these first.'
    catalog.on("DELETE", f"{PATH}/{SPLIT['id']}", {"detail": why, "code": "route_in_use"}, status=409)
    assert why in roundhouse.fails("routes", "rm", "chat").err


PREVIEW: dict[str, Any] = {
    "is_routed": True,
    "why_not": "",
    "named": {"id": "rte_2", "name": "gpt-*", "is_platform": False},
    "path": ["gpt-*", "chat"],
    "route": {"id": "rte_1", "name": "chat", "is_platform": True},
    "targets": [
        {
            "deployment_id": STABLE, "deployment_name": "stable", "provider_id": "", "model": "", "priority": 0,
            "weight": 3, "percent": 75.0,
        },
        {
            "deployment_id": "", "deployment_name": "", "provider_id": PROVIDER, "model": "x", "priority": 1,
            "weight": 1, "percent": 100.0,
        },
    ],
    "fallbacks": [{"reason": "error", "route": "spare", "is_usable": False}],
    "settings": {
        "split_by": "request", "balancing": {"strategy": "random"}, "timeouts": {}, "retries": {}, "queue": {},
        "cache": {}, "is_coalesced": False, "is_continued": False,
    },
    "limits": [{"name": "each key", "is_platform": False, "per": ["key"], "bounds": {"requests_per_minute": 100}}],
}  # fmt: skip


def test_a_preview_tells_where_a_request_would_go(roundhouse: Command, catalog: Scripted) -> None:
    catalog.on("POST", f"{PATH}:preview", PREVIEW)
    told = roundhouse("routes", "preview", "gpt-4o", "--key", "laptop", "--header", "x-beta=1", "--user", "ann").out
    assert sent(catalog) == {
        "request": {"model": "gpt-4o", "headers": {"x-beta": "1"}, "user": "ann", "key_id": KEY},
    }
    for words in (
        "gpt-* -> chat (platform)",
        "75 % stable",
        "100 % together/x, when those before have failed (priority 1)",
        "error: spare (not for this request)",
        "each key: requests_per_minute 100 per key",
    ):
        assert words in told
    assert roundhouse("routes", "preview", "gpt-4o", "-o", "json").json == PREVIEW


def test_a_preview_that_leads_nowhere_fails_with_the_reason(roundhouse: Command, catalog: Scripted) -> None:
    nowhere = {**PREVIEW, "is_routed": False, "why_not": "no route has the name"}
    catalog.on("POST", f"{PATH}:preview", nowhere)
    assert "gpt-5 leads nowhere: no route has the name" in roundhouse.fails("routes", "preview", "gpt-5").err
