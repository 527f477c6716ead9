"""`roundhouse admin reconcile`: the ledger beside engines' own counters."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted
from tests.component.cli.test_top import DEPLOYMENT

# Any below: JSON.


def a_side(recorded: int, difference: int, *causes: str) -> dict[str, Any]:
    return {
        "counted": recorded + difference,
        "recorded": recorded,
        "difference": difference,
        "causes": [{"cause": cause, "up_to_tokens": 40} for cause in causes],
    }


def a_row(key: str, state: str, **changes: Any) -> dict[str, Any]:
    row = {"key": key, "at": None, "deployment_id": DEPLOYMENT["id"], "state": state, "requests": 3, "why_not": None}
    return {**row, "replicas": 1, "not_comparable": 0, "input": None, "output": None, **changes}


@pytest.mark.contract("F02")
def test_differences_are_shown_with_what_explains_them(roundhouse: Command, server: Scripted) -> None:
    items = [
        a_row("rep_a", "explained", input=a_side(90, 0), output=a_side(30, 12, "ended-early")),
        a_row("rep_b", "not-comparable", why_not="its engine tells no counters"),
    ]
    totals = a_row("", "explained", replicas=2, not_comparable=1, input=a_side(90, 0), output=a_side(30, 12))
    server.on("GET", "/api/v1/reconciliation/engines", {"items": items, "totals": totals})
    server.items("/api/v1/deployments", DEPLOYMENT)

    answer = roundhouse("admin", "reconcile", "--since", "7d")

    lines = answer.out.splitlines()
    assert lines[1].split() == ["tiny", "rep_a", "explained", "3", "90", "+0", "30", "+12", "ended-early"]
    assert lines[2].split()[:8] == ["tiny", "rep_b", "not-comparable", "3", "-", "-", "-", "-"]
    assert "its engine tells no counters" in lines[2]
    assert lines[3].split()[0] == "total"
    assert "1 of 2 replicas cannot be compared." in answer.err
    assert server.asked[0].query["by"] == "replica"


def test_only_what_differs_is_asked_for(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/reconciliation/engines", {"items": [], "totals": a_row("", "equal")})
    server.items("/api/v1/deployments")
    assert "No replica differs." in roundhouse("admin", "reconcile", "--differing", "--step", "day").err
    assert server.asked[0].query["state"] == "differs"
    assert server.asked[0].query["step"] == "day"
    assert "until" not in server.asked[0].query
    roundhouse("admin", "reconcile", "--now")
    assert server.last("GET").path == "/api/v1/deployments"
    assert "until" in server.asked[-2].query
