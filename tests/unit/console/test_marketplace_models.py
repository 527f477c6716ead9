"""What the marketplace makes of models: what a person looks for, what fits, which are akin."""

from typing import Any

import pytest

from roundhouse_console.domain.models import Wanted, akin, fits, is_wanted, parameters_text, room_bytes, uses_of

GIB = 2**30


def model(**changes: Any) -> dict[str, Any]:
    facts = {
        "architecture": "llama", "parameter_count": 7_000_000_000, "weight_bytes": 4 * GIB, "layers": 32,
        "hidden_size": 4096, "vocab_size": 32_000, "quantization": "Q4_K_M", "dtype": "", "context_length": 8192,
    }  # fmt: skip
    return {
        "id": "mdl_1", "name": "Llama-7B", "kind": "chat", "licence": "MIT", "tags": ["demo"], "is_published": True,
        "source": {"kind": "path", "uri": "/models/llama.gguf"}, "facts": facts, "memory_bytes": 0, "total_bytes": 0,
        "context_length": 0, "trial": None, **changes,
    }  # fmt: skip


def node(free: int, *devices: dict[str, Any], condition: str = "ready") -> dict[str, Any]:
    return {"condition": condition, "memory_free_bytes": free, "devices": list(devices)}


def device(total: int, *, claimed: int = 0, free: int | None = None, health: str = "ok") -> dict[str, Any]:
    return {
        "memory_total_bytes": total, "claimed_memory_bytes": claimed, "health": health, "quarantine": None,
        "memory_free_bytes": total if free is None else free,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [
        (Wanted(), True),
        (Wanted(words="llama DEMO"), True),
        (Wanted(words="llama qwen"), False),
        (Wanted(kind="embedding"), False),
        (Wanted(size="1 – 8 B"), True),
        (Wanted(size="8 – 35 B"), False),
        (Wanted(licence="MIT", tag="demo", source="path", published="yes"), True),
        (Wanted(published="no"), False),
        (Wanted(tag="other"), False),
        (Wanted(must_fit=True), True),
        (Wanted(must_run=True), False),
    ],
)
def test_a_model_is_wanted_when_all_filters_keep_it(wanted: Wanted, is_found: bool) -> None:
    one = model()
    assert is_wanted(one, wanted, uses_of(one, []), 5 * GIB) is is_found


def test_what_has_no_size_is_in_no_size() -> None:
    assert not is_wanted(model(facts=None), Wanted(size="< 1 B"), uses_of(model(), []), None)


def test_the_room_is_the_most_free_memory_of_one_node_that_is_ready() -> None:
    assert room_bytes([]) == 0
    assert room_bytes([node(3 * GIB), node(9 * GIB, condition="cordoned")]) == 3 * GIB
    halves = node(GIB, device(8 * GIB, claimed=2 * GIB), device(8 * GIB, free=GIB), device(8 * GIB, health="failed"))
    assert room_bytes([halves]) == 7 * GIB


def test_a_model_fits_by_its_stated_memory_else_by_its_weights() -> None:
    assert fits(model(), 4 * GIB) is True
    assert fits(model(memory_bytes=6 * GIB), 5 * GIB) is False
    assert fits(model(), None) is None
    assert fits(model(facts=None), 4 * GIB) is None


def test_variants_have_the_same_source_or_the_same_network() -> None:
    one = model()
    other_weights = model(id="mdl_2", name="B", source={"kind": "path", "uri": "/q8"})
    other_weights["facts"] = {**one["facts"], "quantization": "Q8_0", "parameter_count": 6_999_999_999}
    same_source = model(id="mdl_3", name="A", facts=None)
    stranger = model(id="mdl_4", source={"kind": "path", "uri": "/x"}, facts={**one["facts"], "layers": 40})
    unread = model(id="mdl_5", source={"kind": "path", "uri": "/y"}, facts=None)
    assert [found["id"] for found in akin(one, [one, other_weights, same_source, stranger, unread])] == [
        "mdl_3",
        "mdl_2",
    ]


def test_who_uses_a_model_is_said_by_the_versions_that_are_wanted() -> None:
    runs = {"name": "b", "desired": "run", "active_version": {"model_id": "mdl_1"}}
    rests = {"name": "a", "desired": "stop", "active_version": {"model_id": "mdl_1"}}
    other = {"name": "c", "desired": "run", "active_version": {"model_id": "mdl_2"}}
    uses = uses_of(model(trial={"deployment_id": "dep_1", "name": "b"}), [runs, rests, other])
    assert ([one["name"] for one in uses.deployments], uses.running, uses.trial) == (["a", "b"], [runs], "b")


@pytest.mark.parametrize(
    ("count", "shown"), [(0, ""), (134_515_008, "134.5 M"), (7_600_000_000, "7.6 B"), (1_000_000_000_000, "1.0 T")]
)
def test_parameters_are_written_as_models_are_called(count: int, shown: str) -> None:
    assert parameters_text({"parameter_count": count}) == shown
