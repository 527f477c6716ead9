"""Errors of engines, each in the shape that the engine gives it, become OpenAI's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.domain.refusals import as_openai_error

SILENT = "The engine answered with status {status} and did not say why."


@pytest.mark.contract("D11")
@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}',
        b'{"error":{"code":500,"message":"slot lost","type":"server_error"}}',
    ],
)
def test_what_has_openais_shape_passes_as_it_is(body: bytes) -> None:
    assert as_openai_error(500, body) is None


@pytest.mark.contract("D11")
@pytest.mark.parametrize(
    ("status", "body", "message", "kind", "param"),
    [
        (500, b"Internal Server Error", "Internal Server Error", "server_error", None),
        (500, b'{"detail":"KeyError: None"}', "KeyError: None", "server_error", None),
        (
            422,
            b'{"detail":[{"loc":["body","messages",0,"role"],"msg":"Input should be a valid string","type":"x"}]}',
            "messages.0.role: Input should be a valid string",
            "invalid_request_error",
            None,
        ),
        (
            400,
            b'{"object":"error","message":"too long","type":"BadRequestError","param":"messages","code":400}',
            "too long",
            "BadRequestError",
            "messages",
        ),
        (503, b'{"error":"the worker died"}', "the worker died", "server_error", None),
        (500, b'{"error":{}}', SILENT, "server_error", None),
        (500, b"<html>oops</html>", SILENT, "server_error", None),
        (502, b"", SILENT, "server_error", None),
        (400, b"[1]", SILENT, "invalid_request_error", None),
        (400, b'{"detail":[7,{"msg":1}]}', SILENT, "invalid_request_error", None),
    ],
)
def test_the_engines_words_are_kept(status: int, body: bytes, message: str, kind: str, param: str | None) -> None:
    shaped = as_openai_error(status, body)
    assert shaped is not None
    code = "upstream_error" if status >= 500 else None
    wanted = {"message": message.format(status=status), "type": kind, "param": param, "code": code}
    assert json.loads(shaped) == {"error": wanted}


@pytest.mark.contract("D13")
@pytest.mark.parametrize(
    "error",
    [
        {"code": 400, "message": "exceeds", "type": "exceed_context_size_error", "n_ctx": 2048},
        {"code": 400, "message": "This model's maximum context length is 9.", "type": "BadRequestError", "param": None},
        {"message": "Prompt is too long", "type": "invalid_request_error"},
    ],
)
def test_a_prompt_that_is_too_long_has_openais_code_whatever_the_engine_calls_it(error: dict[str, object]) -> None:
    shaped = as_openai_error(400, json.dumps({"error": error}).encode())
    assert shaped is not None
    assert json.loads(shaped) == {"error": {**error, "code": "context_length_exceeded"}}
    told = as_openai_error(400, json.dumps({"detail": f"{error['message']} context size"}).encode())
    assert told is not None
    assert json.loads(told)["error"]["code"] == "context_length_exceeded"


def test_openais_own_code_is_left_as_it_is() -> None:
    error = {"message": "maximum context length", "type": "x", "param": "messages", "code": "string_above_max_length"}
    assert as_openai_error(400, json.dumps({"error": error}).encode()) is None


def test_a_page_of_words_is_cut() -> None:
    shaped = as_openai_error(500, b"x" * 100_000)
    assert shaped is not None
    assert len(shaped) < 2200


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner)).map(
        lambda found: json.dumps({"error": found, "detail": found}).encode()
    ),
    st.integers(400, 599),
)
def test_nothing_that_an_engine_says_makes_it_fail(body: bytes, status: int) -> None:
    shaped = as_openai_error(status, body)
    document = json.loads(body if shaped is None else shaped)
    assert isinstance(document["error"]["message"], str)
