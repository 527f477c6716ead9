"""A provider that speaks OpenAI's API gets the client's bytes, with its own name for the model."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.formats import UpstreamFormat
from roundhouse_router.formats.openai import OpenAiFormat
from tests.support.cut_streams import CUTS, translated

pytestmark = [pytest.mark.contract("D18"), pytest.mark.contract("D22"), pytest.mark.contract("D23")]

FORMAT: UpstreamFormat = OpenAiFormat()


def asked(body: bytes, *, is_stream: bool = False) -> Any:  # Any: JSON
    return json.loads(FORMAT.request(body, "gpt-x", Operation.CHAT, is_stream=is_stream).body)


def test_only_the_models_name_changes() -> None:
    request = FORMAT.request(b'{"model":"m","odd":[1.50,{}]}', "gpt-x", Operation.CHAT, is_stream=False)
    assert (request.path, request.body) == ("/chat/completions", b'{"model":"gpt-x","odd":[1.50,{}]}')
    assert FORMAT.authorization("sk") == {"authorization": "Bearer sk"}


def test_streams_are_asked_for_usage() -> None:
    options = {"include_usage": False, "include_obfuscation": False}
    body = json.dumps({"model": "m", "stream": True, "stream_options": options}).encode()
    assert asked(body, is_stream=True)["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert asked(b'{"model":"m","stream_options":7}', is_stream=True)["stream_options"] == {"include_usage": True}


def test_each_operation_has_its_path() -> None:
    paths = {
        operation: FORMAT.request(b'{"model":"m"}', "x", operation, is_stream=False).path
        for operation in (Operation.COMPLETION, Operation.EMBEDDING, Operation.IMAGE, Operation.RERANK)
    }
    assert list(paths.values()) == ["/completions", "/embeddings", "/images/generations", "/rerank"]
    with pytest.raises(BadBody):
        FORMAT.request(b'{"model":"m"}', "x", Operation.SCORE, is_stream=False)
    with pytest.raises(BadBody):
        FORMAT.request(b"[" * 5000, "x", Operation.CHAT, is_stream=False)


@given(st.binary(max_size=80), CUTS)
def test_streams_pass_untouched(data: bytes, at: list[int]) -> None:
    assert translated(FORMAT.stream("m", Operation.CHAT), data, at) == data


def test_answers_bear_the_clients_name_and_errors_openais_shape() -> None:
    told = FORMAT.whole(200, b'{"id":"1","model":"gpt-x-2026","usage":{"prompt_tokens":1}}', "m", Operation.CHAT)
    assert json.loads(told)["model"] == "m"
    error = b'{"error":{"message":"no","type":"t","param":null,"code":"c"}}'
    assert FORMAT.whole(429, error, "m", Operation.CHAT) == error
    assert json.loads(FORMAT.whole(400, b'{"detail":"no"}', "m", Operation.CHAT))["error"]["message"] == "no"
    assert FORMAT.status(418) == 418
