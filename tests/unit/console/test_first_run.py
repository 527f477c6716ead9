"""The first run: what is done of it, and what comes next."""

from typing import Any

import pytest

from roundhouse_console.domain.welcome import first_run

GIB = 2**30


def _node(condition: str = "ready") -> dict[str, Any]:
    return {"condition": condition, "devices": []}


def _model(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "memory_bytes": size, "total_bytes": size, "facts": None}


def _status(state: str, ready: int) -> dict[str, Any]:
    return {"name": "first", "state": state, "replicas_ready": ready}


@pytest.mark.parametrize(
    ("nodes", "statuses", "requests", "steps"),
    [
        ([], [], 0, ("now", "later", "later")),
        ([_node("pending")], [], 0, ("now", "later", "later")),
        ([_node()], [], 0, ("done", "now", "later")),
        ([_node()], [_status("Preparing", 0)], 0, ("done", "now", "later")),
        ([_node()], [_status("Running", 1)], 0, ("done", "done", "now")),
        ([_node()], [_status("Running", 1)], 3, ("done", "done", "done")),
    ],
)
def test_one_step_at_a_time(
    nodes: list[dict[str, Any]], statuses: list[dict[str, Any]], requests: int, steps: tuple[str, str, str]
) -> None:
    found = first_run(nodes, [], statuses, GIB, requests)
    assert (found.machines, found.model, found.answer) == steps


def test_models_that_fit_are_proposed_the_smallest_first() -> None:
    models = [_model("large", 9 * GIB), _model("middle", 2 * GIB), _model("small", GIB)]
    found = first_run([_node()], models, [], 4 * GIB, 0)
    assert [one["name"] for one in found.proposals] == ["small", "middle"]
