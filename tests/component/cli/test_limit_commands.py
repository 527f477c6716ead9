"""`roundhouse limits` against a scripted catalog."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("D01")

PATH = "/api/v1/limits"
KEY, ROUTE = "key_" + "d" * 32, "rte_" + "e" * 32
LIMIT: dict[str, Any] = {
    "id": "lim_" + "a" * 32,
    "name": "each key",
    "is_platform": False,
    "per": ["key", "route"],
    "tenant_ids": [],
    "user_ids": [],
    "key_ids": [KEY],
    "route_ids": [ROUTE, ROUTE],
    "requests_per_second": None,
    "requests_per_minute": 100,
    "requests_per_day": None,
    "tokens_per_minute": None,
    "tokens_per_day": 10_000,
    "input_tokens_per_minute": None,
    "input_tokens_per_day": None,
    "output_tokens_per_minute": None,
    "output_tokens_per_day": None,
    "concurrent_requests": 0,
    "created_at": "2026-11-21T09:00:00.000Z",
}
ONE = f"{PATH}/{LIMIT['id']}"


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    server.items(PATH, LIMIT)
    server.items("/api/v1/api-keys", {"id": KEY, "name": "laptop"})
    server.items("/api/v1/routes", {"id": ROUTE, "name": "chat"})
    server.on("GET", ONE, LIMIT, headers={"etag": '"2"'})
    server.on("POST", PATH, LIMIT, status=201)
    server.on("PATCH", ONE, LIMIT)
    server.on("DELETE", ONE, b"", status=204)
    return server


def test_limits_are_listed_shown_and_removed(roundhouse: Command, catalog: Scripted) -> None:
    [_, line] = roundhouse("limits", "ls").out.splitlines()
    for words in (
        "each key",
        "100 requests per minute, 10000 tokens per day, 0 concurrent requests",
        "key and route",
        "1 key, 2 routes",
    ):
        assert words in line
    assert "requests_per_minute" in roundhouse("limits", "show", "each key").out
    assert "each key is removed." in roundhouse("limits", "rm", "each key").err


def test_a_limit_is_created_by_names(roundhouse: Command, catalog: Scripted) -> None:
    options = "--requests-per-minute 100 --tokens-per-day 10k --concurrent-requests 0 --per key --per route"
    named = "--key laptop --route chat --user usr_x --tenant ten_x --platform"
    result = roundhouse("limits", "create", "each key", *options.split(), *named.split())
    assert "each key: 100 requests per minute" in result.err
    assert catalog.last("POST").body == {
        "name": "each key",
        "requests_per_minute": 100,
        "tokens_per_day": 10_000,
        "concurrent_requests": 0,
        "per": ["key", "route"],
        "key_ids": [KEY],
        "route_ids": [ROUTE],
        "user_ids": ["usr_x"],
        "tenant_ids": ["ten_x"],
        "is_platform": True,
    }


def test_a_change_sends_what_is_stated_and_none_ends_a_bound(roundhouse: Command, catalog: Scripted) -> None:
    roundhouse("limits", "set", "each key", "--requests-per-minute", "none", "--tokens-per-minute", "2M", "--any-key")
    asked = catalog.last("PATCH")
    assert asked.headers["if-match"] == '"2"'
    assert asked.body == {"requests_per_minute": None, "tokens_per_minute": 2_000_000, "key_ids": []}
    roundhouse("limits", "set", "each key", "--name", "all", "--together", "--any-user", "--any-route", "--any-tenant")
    assert catalog.last("PATCH").body == {"name": "all", "per": [], "user_ids": [], "route_ids": [], "tenant_ids": []}


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (("create", "x", "--requests-per-minute", "many"), 2, "--requests-per-minute 'many' is not a number"),
        (("create", "x", "--requests-per-minute", "-1"), 2, "not a number"),
        (("create", "x", "--requests-per-day", "1", "--key", "gone"), 1, "gone"),
        (("set", "each key"), 2, "State what to change"),
        (("set", "gone", "--requests-per-day", "1"), 1, "gone"),
        (("rm", "gone"), 1, "gone"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    roundhouse: Command, catalog: Scripted, typed: tuple[str, ...], code: int, words: str
) -> None:
    result = roundhouse.fails("limits", *typed)
    assert (result.code, words in result.err) == (code, True), result.err
