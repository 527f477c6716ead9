"""When two requests are equal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.request import ParsedRequest, parse
from roundhouse_router.domain.reuse_key import IGNORED, reuse_key

pytestmark = pytest.mark.contract("D14")

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
READ = {"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "store", "user", "n"}
members = st.dictionaries(st.text(max_size=8).filter(lambda name: name not in READ | IGNORED), values, max_size=5)


def key(body: dict[str, Any] | bytes, *, tenant: str = "ten_a", api: str = "openai.chat", **changed: Any) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    fields = {"route_id": "rte_1", "serving": ("ver_1",), **changed}
    return reuse_key(tenant, api=api, request=parse(raw, Operation.CHAT), **fields)


@given(members, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_members_spaces_and_escapes_do_not_matter(
    rest: dict[str, Any], rng: Any, ascii_only: bool
) -> None:
    shuffled = list({"model": "m", **rest}.items())
    rng.shuffle(shuffled)
    spelled = json.dumps(dict(shuffled), indent=1, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert key(spelled) == key(rest)


@given(members, members)
def test_other_members_make_another_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    is_equal = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    if not is_equal and {name: _loose(value) for name, value in one.items()} != {
        name: _loose(value) for name, value in other.items()
    }:
        assert key(one) != key(other)


def _loose(value: Any) -> Any:
    """`1 == 1.0 == True` in Python; of these only the first two are equal here."""
    return (type(value) is bool, json.dumps(value) if isinstance(value, (dict, list)) else value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"model":"m","temperature":1}', b'{"model":"m","temperature":1.0}'),
        (b'{"model":"m","temperature":1}', b'{"model":"m","temperature":1e0}'),
        (b'{"model":"m","temperature":0}', b'{"model":"m","temperature":-0.0}'),
        (b'{"model":"m","options":{"a":1,"b":2}}', b'{"model":"m","options":{"b":2.0,"a":1.0}}'),
        (b'{"model":"m","x":"\\u00e9"}', '{"model":"m","x":"é"}'.encode()),
        (b'{"model":"m","user":"a"}', b'{"model":"m","user":"b"}'),
        (b'{"model":"m","stream":false}', b'{"model":"m"}'),
        (b'{"model":"m","stream_options":{"include_usage":true}}', b'{"model":"m"}'),
        (b'{"model":"m","metadata":{"a":"b"},"service_tier":"flex"}', b'{"model":"m"}'),
    ],
)
def test_spellings_and_members_that_cannot_change_the_answer(one: bytes, other: bytes) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 1}, {"seed": 2}),
        ({"seed": 1}, {}),
        ({"stream": True}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"a": True}, {"a": 1}),
        ({"a": "1"}, {"a": 1}),
        ({"a": None}, {}),
        ({"cache_salt": "x"}, {"cache_salt": "y"}),
        ({"tools": [{"a": 1, "b": 2}]}, {"tools": [{"b": 2, "a": 1}]}),
        ({"response_format": {"minimum": 1}}, {"response_format": {"minimum": 1.0}}),
        ({"a": 10**400}, {"a": 10**401}),
        ({"store": True, "metadata": {"a": "b"}}, {"store": True}),
    ],
)
def test_what_may_change_the_answer_makes_another_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(one) != key(other)


def test_tenant_route_version_and_api_are_parts_of_the_key() -> None:
    keys = [
        key({}),
        key({}, tenant="ten_b"),
        key({}, route_id="rte_2"),
        key({}, serving=("ver_2",)),
        key({}, serving=("ver_1", "ver_2")),
        key({}, serving=("prv_1/gpt",)),
        key({}, api="anthropic.messages"),
        key({"model": "other"}),
    ]
    assert len(set(keys)) == len(keys)
    assert key({}, serving=("a", "b")) == key({}, serving=("b", "a"))


def test_parts_cannot_run_into_each_other() -> None:
    assert key({}, tenant="ab", route_id="c") != key({}, tenant="a", route_id="bc")
    assert key({"a": "b"}) != key({"ab": ""})


def test_the_metadata_of_responses_counts_because_answers_repeat_it() -> None:
    assert key({"metadata": {"a": "b"}}, api="openai.responses") != key({}, api="openai.responses")
    assert key({"keep_alive": "5m"}, api="ollama.chat") == key({}, api="ollama.chat")


def test_a_value_nested_too_deeply_to_be_read_is_taken_as_it_is() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    request = ParsedRequest(
        model="m",
        is_stream=False,
        wants_usage=False,
        max_tokens=None,
        body=b"",
        members={"a": deep},  # type: ignore[dict-item]  # Raw reads the same
    )
    assert len(reuse_key("t", route_id="r", serving=(), api="a", request=request)) == 32
