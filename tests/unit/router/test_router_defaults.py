"""What a model's owner set for its callers is added where the request says nothing, and nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.defaults import added_by
from roundhouse_router.domain.request import outgoing, parse

CHAT, COMPLETION = Operation.CHAT, Operation.COMPLETION
USER = {"role": "user", "content": "hi"}
SYSTEM = {"role": "system", "content": "Be brief."}


def sent(
    body: dict[str, Any] | bytes,
    operation: Operation = CHAT,
    engine: EngineKind = EngineKind.VLLM,
    *,
    system: str = "",
    **parameters: Any,
) -> Any:  # Any: JSON
    """Return what an engine gets of a request."""
    data = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    request = parse(data, operation)
    defaults = ModelDefaults(system_message=system, parameters=parameters)
    added = added_by(defaults, request.members, operation, engine)
    found = json.loads(outgoing(request, served_model="m", running=None, added=added))
    found.pop("model")
    return found


@pytest.mark.contract("A25")
@pytest.mark.parametrize(
    ("body", "defaults", "wanted"),
    [
        ({}, {"temperature": 0.2, "stop": ("###",)}, {"temperature": 0.2, "stop": ["###"]}),
        ({"temperature": 1}, {"temperature": 0.2}, {"temperature": 1}),
        ({"temperature": 0}, {"temperature": 0.2}, {"temperature": 0}),
        ({"temperature": None}, {"temperature": 0.2}, {"temperature": 0.2}),
        ({"max_completion_tokens": 5}, {"max_tokens": 9}, {"max_completion_tokens": 5}),
        ({"max_tokens": 5}, {"max_completion_tokens": 9}, {"max_tokens": 5}),
        ({}, {"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"repeat_penalty": 1.5}, {"repetition_penalty": 1.1}, {"repeat_penalty": 1.5}),
        ({}, {"repeat_penalty": 1.1}, {"repetition_penalty": 1.1}),
    ],
)
def test_a_parameter_is_added_unless_the_request_has_it(
    body: dict[str, Any], defaults: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert sent(body, **defaults) == wanted


def test_parameters_go_out_by_the_engines_own_names() -> None:
    assert sent({}, engine=EngineKind.LLAMA_CPP, repetition_penalty=1.1) == {"repeat_penalty": 1.1}
    assert sent({}, engine=EngineKind.SGLANG, repetition_penalty=1.1) == {"repetition_penalty": 1.1}
    assert sent({}, engine=EngineKind.TRANSFORMERS, top_k=5, top_p=0.5) == {"top_p": 0.5}


def test_completions_get_parameters_and_no_message() -> None:
    found = sent({"prompt": "x"}, COMPLETION, system="Be brief.", temperature=0.2)
    assert found == {"prompt": "x", "temperature": 0.2}


def test_embeddings_get_nothing() -> None:
    assert sent({"input": "x"}, Operation.EMBEDDING, system="Be brief.", temperature=0.2) == {"input": "x"}


@pytest.mark.contract("A25")
def test_the_system_message_comes_before_the_others() -> None:
    assert sent({"messages": [USER]}, system="Be brief.") == {"messages": [SYSTEM, USER]}


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "Be long."}, USER],
        [{"role": "developer", "content": "Be long."}, USER],
        [USER, {"role": "system", "content": "late"}],
        [],
        "hi",
        None,
        [7],
        [{"role": 7}],
    ],
)
def test_messages_that_have_one_or_are_none_stay_as_they_are(messages: object) -> None:
    assert sent({"messages": messages}, system="Be brief.") == {"messages": messages}


def test_a_role_that_is_null_is_for_the_engine_to_judge() -> None:
    strange = {"role": None, "content": "x"}
    assert sent({"messages": [strange]}, system="Be brief.") == {"messages": [SYSTEM, strange]}


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3), st.sampled_from([None, 2]))
def test_any_text_is_put_before_any_messages(system: str, texts: list[str], indent: int | None) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    body = json.dumps({"model": "m", "messages": messages}, indent=indent).encode("utf-8", "surrogatepass")
    before = [{"role": "system", "content": system}] if system else []
    assert sent(body, system=system) == {"messages": before + messages}


def test_without_anything_to_add_the_bytes_are_the_clients_own() -> None:
    body = b'{ "model":"m","temperature":0.5,  "messages":[{"role":"system","content":"x"}]}'
    request = parse(body, CHAT)
    defaults = ModelDefaults(system_message="Be brief.", parameters={"temperature": 0.2})
    added = added_by(defaults, request.members, CHAT, EngineKind.VLLM)
    assert outgoing(request, served_model="m", running=None, added=added) is body
