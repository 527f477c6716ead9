"""Members that a translation adds and an upstream would refuse."""

import json
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_router.dialects.fitting import fitting

pytestmark = pytest.mark.contract("D13")

MADE = {"model": "m", "messages": [], "top_k": 4, "chat_template_kwargs": {"thinking": False}, "temperature": 0}


def left(asked: Any = None, engine: EngineKind = EngineKind.UNKNOWN, provider: ProviderFormat | None = None) -> Any:
    return json.loads(fitting(json.dumps(MADE).encode(), json.dumps(asked or {}).encode(), engine, provider))


def test_engines_that_take_any_name_get_all() -> None:
    assert left(engine=EngineKind.VLLM) == MADE
    assert left(provider=ProviderFormat.ANTHROPIC) == MADE, "its format makes something of it"


def test_transformers_gets_what_openai_has() -> None:
    assert set(left(engine=EngineKind.TRANSFORMERS)) == {"model", "messages", "temperature"}


def test_a_provider_gets_what_the_client_named_itself() -> None:
    assert set(left(provider=ProviderFormat.OPENAI)) == {"model", "messages", "temperature", "top_k"}
    assert left({"chat_template_kwargs": {}}, provider=ProviderFormat.OPENAI) == MADE


def test_a_body_in_which_nothing_is_refused_stays_as_it_is() -> None:
    body = b'{"model": "m",  "messages":[]}'
    assert fitting(body, b"{}", EngineKind.TRANSFORMERS, None) is body
