"""The router's OpenAPI document is current, and every request that can be made up from it is answered as it says."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings

from roundhouse_common.contracts.features import Feature
from roundhouse_router.api.document import openapi_document
from tests.support.api_documents import Case, document_of, hold_to_the_document, requests_of
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter
from tests.support.scripted_engine import DONE, Engine, Exchange, chunk, completion, usage_chunk

GOLDEN = Path(__file__).parents[3] / "docs" / "reference" / "openapi-router.json"
KNOWN = {"model": ["tiny"]}
FORMS = [
    f"POST /v1/{path}" for path in ("images/edits", "images/variations", "audio/transcriptions", "audio/translations")
]
"""Forms have tests of their own."""


@pytest.mark.contract("A02", "D11")
def test_the_committed_document_is_current() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "roundhouse_router", "openapi"], capture_output=True, text=True, check=True
    ).stdout
    assert GOLDEN.read_text(encoding="utf-8") == printed, (
        f"run: .venv/bin/python -m roundhouse_router openapi > {GOLDEN.relative_to(GOLDEN.parents[2])}"
    )


async def answers_everything(exchange: Exchange) -> None:
    if exchange.json.get("stream"):
        await exchange.head()
        for piece in (chunk("hello"), usage_chunk(7, 3), DONE):
            await exchange.send(piece)
        await exchange.end()
        return
    told = {**completion(), "data": [{"index": 0, "embedding": [0.5]}], "results": []}
    await exchange.whole(200, json.dumps(told).encode())


@pytest_asyncio.fixture
async def serving(tmp_path: Path, fleet: Fleet, engine: Engine) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    """A router whose engine has every endpoint of OpenAI's API."""
    engine.script = answers_everything
    features = tuple(feature for feature in Feature if feature not in (Feature.MESSAGES, Feature.RESPONSES))
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine, features=features)
        await router.ready()
        yield router, fleet


@pytest_asyncio.fixture
async def http(serving: tuple[RunningRouter, Fleet]) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {SECRET}"}
    async with httpx.AsyncClient(base_url=serving[0].url, headers=headers) as client:
        yield client
    assert serving[0].metric("roundhouse_router_in_flight") == 0
    records = serving[1].by_id
    assert any(record.outcome == "completed" for record in records.values()), "the engine was asked, too"


@pytest.mark.contract("D11")
@given(case=requests_of(document_of("router"), KNOWN, without=FORMS))
@settings(max_examples=250, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
async def test_every_answer_is_as_documented(http: httpx.AsyncClient, case: Case) -> None:
    answer = await hold_to_the_document(case, http)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer rh-wrong"}, {"x-api-key": "rh-wrong"}])
async def test_every_path_that_has_models_asks_for_a_key(
    serving: tuple[RunningRouter, Fleet], headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=serving[0].url, headers=headers) as stranger:
        for path, operations in openapi_document()["paths"].items():
            for method, operation in operations.items():
                answer = await stranger.request(method, path.replace("{model}", "tiny"))
                assert answer.status_code == (401 if operation.get("security") != [] else 200), path
    await eventually(lambda: serving[0].metric("roundhouse_router_in_flight") == 0)
    assert serving[1].records == []
