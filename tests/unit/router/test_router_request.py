"""What is read of a request body, and what is changed in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.engines import RUNNING
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.request import outgoing, parse

LLAMA = RUNNING[EngineKind.LLAMA_CPP]

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
READ = {"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "timings_per_token"}
others = st.dictionaries(st.text().filter(lambda name: name not in READ), values, max_size=5)
spaces = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:  ")])


def written(document: dict[str, Any], separators: tuple[str, str], *, ascii_only: bool) -> bytes:
    return json.dumps(document, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@given(others, st.text(min_size=1), spaces, st.booleans())
def test_a_body_that_needs_no_change_is_forwarded_as_it_came(
    rest: dict[str, Any], model: str, separators: tuple[str, str], ascii_only: bool
) -> None:
    body = written({**rest, "model": model}, separators, ascii_only=ascii_only)
    assert outgoing(parse(body, Operation.CHAT), served_model=model, running=None) is body


@given(others, st.text(min_size=1), st.text(min_size=1), spaces, st.booleans())
def test_only_the_models_name_changes_when_the_engine_has_another_one(
    rest: dict[str, Any], model: str, served: str, separators: tuple[str, str], ascii_only: bool
) -> None:
    body = written({**rest, "model": model}, separators, ascii_only=ascii_only)
    sent = outgoing(parse(body, Operation.CHAT), served_model=served, running=None)
    assert json.loads(sent) == {**rest, "model": served}


@given(others, st.none() | st.dictionaries(st.sampled_from(["x", "y"]), values, max_size=2), spaces)
def test_a_stream_is_asked_for_usage_and_keeps_everything_else(
    rest: dict[str, Any], options: dict[str, Any] | None, separators: tuple[str, str]
) -> None:
    document = {**rest, "model": "m", "stream": True, "stream_options": options}
    request = parse(written(document, separators, ascii_only=False), Operation.CHAT)
    sent = json.loads(outgoing(request, served_model="m", running=LLAMA))
    assert sent == {**document, "stream_options": {**(options or {}), "include_usage": True}, "timings_per_token": True}


def test_a_client_that_asks_for_usage_itself_is_left_alone() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    request = parse(body, Operation.CHAT)
    assert request.wants_usage
    assert outgoing(request, served_model="m", running=None) is body


def test_a_client_that_decides_on_running_figures_itself_is_left_alone() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"timings_per_token":false}'
    assert outgoing(parse(body, Operation.CHAT), served_model="m", running=LLAMA) is body


def test_numbers_are_not_rewritten_by_the_change_of_another_member() -> None:
    body = b'{"model":"a","temperature":1.10,"seed":12345678901234567890123,"top_p":1E-2}'
    sent = outgoing(parse(body, Operation.CHAT), served_model="b", running=None)
    assert sent == b'{"model":"b","temperature":1.10,"seed":12345678901234567890123,"top_p":1E-2}'


def test_of_a_member_that_comes_twice_router_and_engine_see_the_same_one() -> None:
    request = parse(b'{"model":"a","model":"b"}', Operation.CHAT)
    assert request.model == "b"
    assert outgoing(request, served_model="c", running=None) == b'{"model":"c"}'


@pytest.mark.parametrize("operation", [Operation.EMBEDDING, Operation.RERANK, Operation.SCORE])
def test_what_is_no_text_is_never_a_stream(operation: Operation) -> None:
    assert not parse(b'{"model":"m","stream":true}', operation).is_stream


@pytest.mark.parametrize(
    ("members", "limit"),
    [(b'"max_tokens":5', 5), (b'"max_completion_tokens":6', 6), (b'"max_tokens":null', None), (b'"n":1', None)],
)
def test_the_limit_of_tokens_is_read_in_both_spellings(members: bytes, limit: int | None) -> None:
    assert parse(b'{"model":"m",%b}' % members, Operation.CHAT).max_tokens == limit


@pytest.mark.contract("D11")
@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b'{"model":"m"} x', "invalid_json", None),
        (b"[]", "invalid_json", None),
        (b'"model"', "invalid_json", None),
        (b'{"a":' + b"[" * 100_000, "invalid_json", None),
        (b"\xff\xfe", "invalid_json", None),
        (b"{}", "missing_required_parameter", "model"),
        (b'{"model":5}', "invalid_type", "model"),
        (b'{"model":null}', "invalid_type", "model"),
        (b'{"model":"\xff"}', "invalid_type", "model"),
        (b'{"model":"m","stream":"yes"}', "invalid_type", "stream"),
        (b'{"model":"m","max_tokens":"5"}', "invalid_type", "max_tokens"),
        (b'{"model":"m","stream":true,"stream_options":[]}', "invalid_type", "stream_options"),
        (
            b'{"model":"m","stream":true,"stream_options":{"include_usage":1}}',
            "invalid_type",
            "stream_options.include_usage",
        ),
    ],
)
def test_a_body_that_cannot_be_routed_is_refused_with_its_reason(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(BadBody) as refusal:
        parse(body, Operation.CHAT)
    assert (refusal.value.error_code, refusal.value.param) == (code, param)
