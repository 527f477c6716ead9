"""Why endpoints are passed over, in words."""

from typing import Any

import pytest

from roundhouse_common.contracts.routers import EndpointStanding
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_console.domain.flow import STANDINGS, endpoints_of, reason_of
from roundhouse_console.words import CHINESE

pytestmark = pytest.mark.contract("D19")


def test_every_standing_has_words_in_both_languages() -> None:
    assert set(STANDINGS) == {one.value for one in EndpointStanding if one is not EndpointStanding.UNKNOWN}
    assert {words for words, _ in STANDINGS.values()} <= set(CHINESE)


@pytest.mark.parametrize(
    ("reason", "words", "what"),
    [
        ("status-503", "It answered with {what}", "503"),
        ("busy", "It had too many requests", "busy"),
        ("upstream_timeout", "It failed: {what}", "upstream_timeout"),
        ("", "It failed: {what}", "–"),
    ],
)
def test_a_reason_is_told_in_words(reason: str, words: str, what: str) -> None:
    assert reason_of(reason) == (words, what)
    assert words in CHINESE


def test_ready_replicas_are_endpoints_the_busiest_first() -> None:
    def a_replica(replica_id: str, phase: str, running: int | None) -> dict[str, Any]:
        load = None if running is None else {"running": running, "waiting": 0}
        names = {"deployment_name": "chat", "deployment_id": "dep_1", "node_id": "nod_1"}
        return {"id": replica_id, "phase": phase, "load": load, **names}

    replicas = [a_replica("rep_1", Phase.READY.value, 1), a_replica("rep_2", "starting", None)]
    replicas.append(a_replica("rep_3", Phase.READY.value, 4))
    usage = {"items": [{"key": "rep_1", "requests": 9, "failed": 2, "latency_ms": {"p95": 40.0}}]}
    found = endpoints_of(replicas, usage)
    assert [(one.id, one.in_flight, one.requests) for one in found] == [("rep_3", 4, 0), ("rep_1", 1, 9)]
