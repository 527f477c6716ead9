"""From the wizard's fields to the bodies that the services take."""

from dataclasses import replace
from typing import Any

import pytest

from roundhouse_console.domain.deploying import (
    Draft,
    Scaling,
    command_text,
    commands_of,
    deployment_body,
    draft_of,
    dry_run_body,
    keys_for,
    memory_parts,
    parameters_of,
    parameters_text,
    size_of,
    suits,
    version_body,
)

_GIB = 2**30
_RESOURCES = {"memory_bytes": 8 * _GIB, "device_count": 1, "node_count": 1, "is_exclusive": False, "cpu_millis": 0}
_PLACEMENT = {"region": "", "node_labels": {}, "node_ids": [], "strategy": "spread", "node_anti_affinity": "preferred"}
_TEMPLATE: dict[str, Any] = {
    "engine": "vllm",
    "engine_version": "0.11.0",
    "installs_engine": True,
    "parameters": {"context": "8192", "--enforce-eager": ""},
    "resources": _RESOURCES,
    "placement": _PLACEMENT,
    "replicas": 2,
    "autoscale": None,
    "access": "tenant",
    "rollout": {"strategy": "recreate"},
}


def test_nothing_chosen_is_nothing_stated() -> None:
    assert deployment_body(Draft(), Draft(), model="mdl_1") == {"model": "mdl_1"}


def test_of_a_template_only_what_differs_is_stated() -> None:
    draft, base = draft_of(_TEMPLATE), draft_of(_TEMPLATE)
    assert deployment_body(draft, base, model="m", template="chat@3") == {"model": "m", "template": "chat@3"}
    draft.replicas, draft.parameters = 3, {**draft.parameters, "context": "4096"}
    assert deployment_body(draft, base, model="m", template="chat@3", name="x") == {
        "model": "m",
        "template": "chat@3",
        "name": "x",
        "replicas": 3,
        "parameters": {"context": "4096"},
    }


def test_a_parameter_of_the_template_cannot_be_left_out_silently() -> None:
    draft, base = draft_of(_TEMPLATE), draft_of(_TEMPLATE)
    del draft.parameters["context"]
    with pytest.raises(ValueError, match="The template states context"):
        deployment_body(draft, base, model="m", template="chat@3")


def test_a_version_states_what_differs_from_the_active_one() -> None:
    active = {**_TEMPLATE, "memory_need": {"total_bytes": 8 * _GIB}}
    draft, base = draft_of(active), draft_of(active)
    assert draft.memory_bytes is None
    assert version_body(draft, base, model="m") == {"model": "m"}
    draft.parameters = {"context": "100"}
    assert version_body(draft, base, model="m", is_active=False) == {
        "model": "m",
        "parameters": {"context": "100"},
        "activate": False,
    }


def test_memory_that_was_stated_stays_stated() -> None:
    base = draft_of(_TEMPLATE)
    draft = replace(base, device_count=2)
    assert version_body(draft, base, model="m")["resources"] == {**_RESOURCES, "device_count": 2}


def test_scaling_keeps_what_the_form_does_not_show() -> None:
    known = {
        "min_replicas": 1,
        "max_replicas": 4,
        "target_in_flight": 2.0,
        "idle_s": 600.0,
        "windows": [{"name": "day"}],
    }
    assert Scaling(min_replicas=0, max_replicas=3).over(known) == {
        "min_replicas": 0,
        "max_replicas": 3,
        "target_in_flight": 4.0,
        "idle_s": 600.0,
        "windows": [{"name": "day"}],
    }
    with pytest.raises(ValueError, match="least"):
        Scaling(min_replicas=3, max_replicas=2).over(None)


def test_the_question_where_it_goes_has_what_the_check_found() -> None:
    version = {
        **{name: _TEMPLATE[name] for name in ("engine", "engine_version", "installs_engine", "parameters")},
        "model_kind": "chat",
        "resources": _RESOURCES,
        "placement": _PLACEMENT,
        "memory_need": {"total_bytes": 5},
        "alternatives": [],
        "alternative_needs": {},
        "source": {"kind": "hugging-face", "uri": "a/b"},
        "model_name": "a",
        "context_length": 4096,
        "architecture": "LlamaForCausalLM",
        "defaults": {"chat_template": "{{ messages }}"},
    }
    asked = dry_run_body({"name": "chat", "version": version, "replicas": 0})
    assert asked["replicas"] == 1
    assert asked["memory_need"] == {"total_bytes": 5}
    assert asked["source"] == {"kind": "hugging-face", "uri": "a/b"}
    assert "alternatives" not in asked
    there = {**version, "source": {"kind": "path", "uri": "/models/a"}}
    local = dry_run_body({"name": "chat", "version": {**there, "defaults": None}, "replicas": 2})
    assert "source" not in local
    assert asked["command"] == {
        "deployment_name": "chat",
        "model_name": "a",
        "source": {"kind": "hugging-face", "uri": "a/b"},
        "context_length": 4096,
        "architecture": "LlamaForCausalLM",
        "chat_template": "{{ messages }}",
    }
    assert (local["command"]["source"]["uri"], local["command"]["chat_template"]) == ("/models/a", "")


def _placed(replica: int, hostname: str, *argv: str, port: int, rank: int = 0) -> dict[str, Any]:
    command = {"argv": list(argv), "environment": {"B_KEY": "****", "A": "x y"}, "port": port}
    return {"replica": replica, "rank": rank, "hostname": hostname, "command": command}


def test_replicas_that_differ_only_in_their_port_share_a_command() -> None:
    placed = [
        _placed(1, "one", "vllm", "--port", "9001", port=9001),
        _placed(2, "two", "vllm", "--port", "9002", port=9002),
        _placed(3, "two", "vllm", "--port", "9003", "--eager", port=9003),
        {"replica": 4, "rank": 0, "hostname": "one", "command": None},
    ]
    assert [one.places for one in commands_of(placed)] == [("1 · one", "2 · two"), ("3 · two",)]


def test_members_of_a_replica_are_told_apart() -> None:
    placed = [
        _placed(1, "one", "vllm", "--node-rank", "0", port=9001),
        _placed(1, "two", "vllm", "--node-rank", "1", port=9002, rank=1),
    ]
    assert [one.places for one in commands_of(placed)] == [("1.0 · one",), ("1.1 · two",)]


def test_a_command_is_shown_as_a_shell_takes_it() -> None:
    shown = command_text(_placed(1, "one", "vllm", "serve", "/m/a b", port=1)["command"])
    assert shown == "A='x y' \\\nB_KEY='****' \\\nvllm serve '/m/a b'"


def test_the_parts_of_a_memory_need_are_shares_of_the_whole() -> None:
    need = {"weights_bytes": 50, "kv_cache_bytes": 30, "activation_bytes": 15, "overhead_bytes": 5, "total_bytes": 100}
    assert [(words, share) for words, _, share in memory_parts(need)] == [
        ("Weights", 0.5),
        ("KV cache", 0.3),
        ("Activations", 0.15),
        ("Engine", 0.05),
    ]


@pytest.mark.parametrize(
    ("meant", "fits"),
    [
        ({}, True),
        ({"kinds": ["chat"]}, True),
        ({"kinds": ["embedding"]}, False),
        ({"names": ["qwen*"]}, True),
        ({"names": ["llama*"]}, False),
        ({"architectures": ["qwen3*"]}, True),
        ({"architectures": ["gemma*"]}, False),
    ],
)
def test_templates_are_offered_for_models_that_they_suit(meant: dict[str, list[str]], fits: bool) -> None:
    template = {"suits": {"kinds": [], "names": [], "architectures": [], **meant}}
    model = {"name": "Qwen3-8B", "kind": "chat", "facts": {"architecture": "Qwen3ForCausalLM"}}
    assert suits(template, model) is fits


def test_parameters_are_lines() -> None:
    assert parameters_of("context = 4096\n\n--flag\nregex=a=b") == {"context": "4096", "--flag": "", "regex": "a=b"}
    assert parameters_of(parameters_text({"a": "1", "--b": ""})) == {"a": "1", "--b": ""}


@pytest.mark.parametrize("text", ["context", "=4", "a=1\na=2"])
def test_what_is_no_parameter_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no parameter|stated twice"):
        parameters_of(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", None),
        ("8 GiB", 8 * _GIB),
        ("8g", 8 * _GIB),
        ("1.5GB", 3 * _GIB // 2),
        ("600 MiB", 600 * 2**20),
        ("4096", 4096),
    ],
)
def test_sizes_are_binary(text: str, size: int | None) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["much", "8 GX", "0 GiB", "-1 GiB"])
def test_what_is_no_size_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        size_of(text)


def test_only_keys_that_name_deployments_can_be_given_one_more() -> None:
    def key(name: str, *ids: str, is_revoked: bool = False) -> dict[str, Any]:
        return {"id": name, "deployment_ids": list(ids), "is_revoked": is_revoked}

    keys = [key("a", "dep_1"), key("b", "dep_2"), key("c"), key("d", "dep_1", is_revoked=True)]
    named, others = keys_for(keys, "dep_1")
    assert [one["id"] for one in named] == ["a"]
    assert [one["id"] for one in others] == ["b"]
