"""Deployments as the console tells them: failures that matter now, and how far a fetch is."""

from typing import Any

import pytest

from roundhouse_console.domain.deployments import failure_of, fetch_text, fetches_of, tells

_SOURCE = {"kind": "hugging-face", "uri": "a/b", "revision": "main", "patterns": []}


def _version(number: int, detail: str = "") -> dict[str, Any]:
    return {"number": number, "failure": {"detail": detail, "log_tail": []} if detail else None}


def test_the_failure_is_that_of_the_newest_version_that_failed() -> None:
    assert failure_of([_version(1), _version(2)]) is None
    found = failure_of([_version(3, "new"), _version(1), _version(2, "old")])
    assert found == {"detail": "new", "log_tail": [], "number": 3}


@pytest.mark.parametrize(
    ("number", "state", "active", "shown"),
    [
        (2, "Running", 1, True),  # it gave way to the one before
        (2, "Error", 2, True),
        (2, "Preparing", 2, True),
        (2, "Running", 2, False),  # it is over that
        (2, "Stopped", 2, False),
        (1, "Error", 2, False),
    ],
)
def test_a_failure_is_shown_while_it_explains_something(number: int, state: str, active: int, shown: bool) -> None:
    assert tells({"number": number}, state, active) is shown


def test_a_replica_that_fetches_shows_the_files_that_it_waits_for() -> None:
    files = {"key": "k", "node_id": "node_1", "state": "fetching", "source": {**_SOURCE, "revision": "0123abc"}}
    replicas = [
        {"version_id": "ver_1", "phase": "fetching", "node_id": "node_1"},
        {"version_id": "ver_1", "phase": "fetching", "node_id": "node_1"},
        {"version_id": "ver_1", "phase": "ready", "node_id": "node_2"},
    ]
    others = [
        {**files, "node_id": "node_2"},
        {**files, "state": "ready"},
        {**files, "source": {**_SOURCE, "uri": "a/c"}},
    ]
    assert fetches_of(replicas, {"ver_1": _SOURCE}, [files, *others]) == [files]


def test_how_far_a_fetch_is_has_its_speed_and_what_is_left() -> None:
    one = {"stored_bytes": 512 * 2**20, "total_bytes": 2**30, "rate_bytes_s": 45 * 2**20, "left_s": 11.0}
    assert fetch_text(one) == "512 MiB / 1 GiB · 45 MiB/s · 11 s"
    assert fetch_text({"stored_bytes": 0, "total_bytes": 0, "rate_bytes_s": 0, "left_s": None}) == "0 B"
