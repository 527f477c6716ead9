"""What of usage is kept, and sums made anew."""

from typing import Any

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

GONE = {
    "month": "2026-08",
    "requests": 40,
    "input_tokens": 4,
    "output_tokens": 5,
    "cost_nano": 6,
    "dropped_at": "2026-11-01T00:10:00.000Z",
}
KEPT: dict[str, Any] = {
    "month": "2026-10",
    "requests": 50,
    "size_bytes": 3 * 2**20,
    "is_due": False,
    "held_because": "",
}
ANSWER = {
    "keep_record_months": 2,
    "records_since": "2026-09-01T00:00:00.000Z",
    "months": [
        {**KEPT, "month": "2026-09", "is_due": True, "held_because": "some of its records are in no sum yet"},
        KEPT,
    ],
    "gone": [GONE],
    "sums": [],
    "samples": [],
    "bytes": {"ledger": 3 * 2**20},
}


def test_months_are_shown_with_those_that_are_gone_first(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/retention", ANSWER)

    result = roundhouse("admin", "retention")

    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == ["MONTH", "2026-08", "2026-09", "2026-10"]
    assert "removed 2026-11-01" in lines[1]
    assert "due, kept because some of its records" in lines[2]
    assert "3.0 MiB" in lines[3]
    assert "2 months beside this one" in result.err


def test_all_of_it_is_there_as_json(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/retention", {**ANSWER, "keep_record_months": 0})

    assert roundhouse("admin", "retention", "-o", "json").json[0]["bytes"] == {"ledger": 3 * 2**20}


def test_sums_are_made_anew(roundhouse: Command, server: Scripted) -> None:
    server.on("POST", "/api/v1/usage:rebuild", {})

    result = roundhouse("admin", "rebuild-usage")

    assert result.code == 0
    assert [asked.path for asked in server.asked] == ["/api/v1/usage:rebuild"]
