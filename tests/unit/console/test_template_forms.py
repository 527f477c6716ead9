"""Templates in forms: what is shown is stated, what is not shown stays, and numbers are compared."""

from typing import Any

import pytest

from roundhouse_console.domain.deploying import draft_of
from roundhouse_console.domain.templates import about_of, changes, made_from, patterns_of, recipe_of, suits_text

pytestmark = pytest.mark.contract("A09")


def a_template(**stated: Any) -> dict[str, Any]:
    return {
        "id": "tpl_1",
        "name": "small",
        "number": 3,
        "description": "One replica.",
        "suits": {"kinds": ["chat"], "names": ["*-instruct"], "architectures": []},
        "engine": "vllm",
        "engine_version": "",
        "installs_engine": False,
        "parameters": {"parallel": "4"},
        "replicas": 1,
        "resources": {
            "memory_bytes": None,
            "cpu_millis": 0,
            "device_count": 1,
            "node_count": 1,
            "is_exclusive": False,
        },
        "placement": {"region": "eu", "node_labels": {}, "node_ids": [], "node_anti_affinity": "required"},
        "alternatives": [{"name": "h100", "resources": {"device_count": 1}}],
        "rollout": {"max_surge": 2},
        "autoscale": None,
        "is_evictable": True,
        "wake_timeout_s": 60.0,
        "access": "tenant",
        "created_at": "2026-01-01T00:00:00Z",
        "created_by": "user:usr_1",
        **stated,
    }


def test_an_edit_keeps_what_the_form_does_not_show() -> None:
    known = a_template()
    draft, about = draft_of(known), about_of(known)
    draft.parameters = {"parallel": "8"}
    about.description = " Two. "
    about.names = "*-instruct, qwen*"
    recipe = recipe_of(draft, about, known)
    assert {"id", "name", "number", "created_at", "created_by"}.isdisjoint(recipe)
    assert recipe["parameters"] == {"parallel": "8"}
    assert recipe["description"] == "Two."
    assert recipe["suits"] == {"kinds": ["chat"], "names": ["*-instruct", "qwen*"], "architectures": []}
    for kept in ("alternatives", "rollout", "wake_timeout_s", "is_evictable", "access"):
        assert recipe[kept] == known[kept]
    assert recipe["placement"] == {"region": "eu", "node_anti_affinity": "required"}
    assert "memory_bytes" not in recipe["resources"]


def test_saving_without_a_change_says_the_same() -> None:
    known = a_template()
    recipe = recipe_of(draft_of(known), about_of(known), known)
    assert changes(known, {**known, **recipe}) == []


def test_a_new_template_states_its_own() -> None:
    recipe = recipe_of(draft_of(None), about_of(None), None)
    assert (recipe["engine"], recipe["suits"]["kinds"], recipe["is_evictable"]) == ("llama.cpp", [], False)


def test_numbers_are_compared_part_by_part() -> None:
    old = a_template()
    new = a_template(number=4, parameters={"context": "512"}, created_by="user:usr_2", description="")
    new["resources"] = {**new["resources"], "memory_bytes": 1024}
    assert changes(old, new) == [
        ("description", "One replica.", ""),
        ("parameters.context", "", "512"),
        ("parameters.parallel", "4", ""),
        ("resources.memory_bytes", "", "1024"),
    ]


def test_what_a_template_is_for_and_what_came_of_it() -> None:
    assert suits_text(a_template(), str.upper) == "CHAT, *-instruct"
    assert patterns_of(" a*, ,b ") == ["a*", "b"]
    deployments: list[dict[str, Any]] = [
        {"id": "1", "active_version": {"template": "small@2"}},
        {"id": "2", "active_version": {"template": "smaller@1"}},
        {"id": "3", "active_version": None},
    ]
    assert [one["id"] for one in made_from("small", deployments)] == ["1"]
