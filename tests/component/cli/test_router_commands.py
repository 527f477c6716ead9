"""`roundhouse routers`, against a scripted catalog."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("D19", "D14")

STATE: dict[str, Any] = {
    "router_id": "rtr_1",
    "endpoint_id": "rep_1",
    "deployment_id": "dep_1",
    "name": "chat",
    "state": "ejected",
    "reason": "status-503",
    "until": "2026-11-22T09:00:00.000Z",
    "failures": 0,
    "ejections": 2,
}


def test_who_is_passed_over_is_listed_with_why(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/endpoint-states", {"items": [STATE], "routers": ["rtr_1"]})
    result = roundhouse("routers", "passed-over")
    for words in ("chat", "ejected", "status-503", "2026-11-22T09:00:00.000Z"):
        assert words in result.out


def test_none_is_said_with_how_many_routers_say_so(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/endpoint-states", {"items": [], "routers": ["rtr_1", "rtr_2"]})
    result = roundhouse("routers", "passed-over")
    assert "None, say 2 routers." in result.out + result.err


def test_the_cache_is_told_in_words(roundhouse: Command, server: Scripted) -> None:
    kept = {"answers": 5, "size_bytes": 2048, "is_shared": False, "routers": ["rtr_1"]}
    server.on("GET", "/api/v1/answer-cache", kept)
    shown = roundhouse("routers", "cache").out
    for words in ("5", "2.0 KiB", "in each router", "1 router"):
        assert words in shown


@pytest.mark.parametrize(("failed", "code", "said"), [([], 0, "3 answers are forgotten"), (["rtr_2"], 1, "rtr_2")])
def test_answers_are_forgotten_or_it_is_said_where_not(
    roundhouse: Command, server: Scripted, failed: list[str], code: int, said: str
) -> None:
    server.on("POST", "/api/v1/answer-cache:clear", {"answers": 3, "failed": failed})
    result = roundhouse("routers", "clear-cache")
    assert result.code == code
    assert said in result.out + result.err
