"""Every refusal of the router, in OpenAI's shape."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.scheduler import EndpointState
from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine


async def refusal(request: Any, status: int) -> dict[str, Any]:  # Any: aiohttp's context manager; JSON
    """Check what all refusals share and return the error."""
    async with request as answer:
        assert answer.status == status
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"]
        document = await answer.json()
    assert document.keys() == {"error"}
    assert document["error"].keys() == {"message", "type", "param", "code"}
    error: dict[str, Any] = document["error"]
    return error


@pytest.mark.contract("E04")
async def test_a_wrong_key_is_401_and_is_refused_before_the_body_is_read(router: RunningRouter) -> None:
    error = await refusal(router.post(b"not json", secret="rh-wrong"), 401)
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert (await refusal(router.session.get("/v1/models"), 401))["code"] == "invalid_api_key"


async def test_a_key_that_is_revoked_is_refused_from_then_on(router: RunningRouter, fleet: Fleet) -> None:
    await fleet.put_key(api_key(is_revoked=True))

    async def is_refused() -> bool:
        async with router.session.get("/v1/models", headers={"authorization": f"Bearer rh-{'k' * 43}"}) as answer:
            return bool(answer.status == 401)

    await eventually(is_refused)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"{}", "missing_required_parameter", "model"),
        (b'{"model":7}', "invalid_type", "model"),
    ],
)
async def test_a_body_that_makes_no_sense_is_400(router: RunningRouter, body: bytes, code: str, param: str) -> None:
    error = await refusal(router.post(body), 400)
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")


async def test_an_unknown_model_is_404(router: RunningRouter) -> None:
    error = await refusal(router.post({"model": "nope"}), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_body_that_is_too_large_is_413(
    tmp_path: Path, fleet: Fleet, engine: Engine, is_announced: bool
) -> None:
    async def in_pieces() -> Any:  # Any: an async generator
        for _ in range(4):
            yield b" " * 600
            await asyncio.sleep(0)

    async with RunningRouter(tmp_path, fleet, max_body_bytes=1000) as router:
        await fleet.serve(engine)
        await router.ready()
        data = b" " * 2400 if is_announced else in_pieces()
        headers = {"authorization": f"Bearer rh-{'k' * 43}"}
        error = await refusal(router.session.post("/v1/embeddings", data=data, headers=headers), 413)
        assert error["code"] == "request_too_large"
        async with router.post() as answer:
            assert answer.status == 200, "the connection and the router serve on"


async def test_a_wrong_method_and_an_unknown_path_are_told_apart(router: RunningRouter) -> None:
    assert (await refusal(router.session.get("/v1/chat/completions"), 405))["code"] == "method_not_supported"
    assert (await refusal(router.session.post("/v1/models"), 405))["code"] == "method_not_supported"
    assert (await refusal(router.post(path="/v1/nothing"), 404))["code"] == "unknown_url"
    async with router.session.get("/v1/chat/completions") as answer:
        assert answer.headers["allow"] == "POST"


async def test_without_a_ready_replica_the_answer_is_503_with_the_time_to_retry(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    await fleet.put_endpoints(endpoint(engine.base_url, state=EndpointState.DRAINING))
    await eventually(lambda: router.metric("roundhouse_router_endpoints", state="draining") == 1)
    async with router.post() as answer:
        assert int(answer.headers["retry-after"]) > 0
    assert (await refusal(router.post(), 503))["code"] == "no_ready_replica"
    record = await fleet.one_record()
    assert (record.outcome, record.http_status, record.attempts) == (Outcome.FAILED, 503, 0)
    assert not engine.exchanges


async def test_a_replica_that_gets_ready_in_time_takes_the_request(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet, ready_wait_s=5.0) as router:
        await fleet.put_key(api_key())
        await fleet.put_route(route())
        await router.ready()
        asked = asyncio.create_task(_status(router))
        await eventually(lambda: router.metric("roundhouse_router_in_flight") == 1)
        await fleet.put_endpoints(endpoint(engine.base_url))
        assert await asked == 200


async def test_refused_requests_leave_no_usage_record(router: RunningRouter, fleet: Fleet) -> None:
    await refusal(router.post({"model": "nope"}), 404)
    await refusal(router.post(secret="rh-wrong"), 401)
    async with router.post() as answer:
        assert answer.status == 200
    assert (await fleet.one_record()).sequence == 1
    refused = {"route": "/v1/chat/completions", "outcome": "refused"}
    assert router.metric("roundhouse_router_requests_total", status="404", **refused) == 1
    assert router.metric("roundhouse_router_requests_total", status="401", **refused) == 1


@pytest.mark.contract("B11")
async def test_models_are_those_that_the_key_may_use(router: RunningRouter, fleet: Fleet) -> None:
    await fleet.put_route(route("other", "dep_2"))
    await fleet.put_route(route("gone", "dep_1", is_deleted=True))
    await fleet.put_key(api_key("rh-second", key_id="key_2", deployment_ids=("dep_2",)))
    headers = {"authorization": "Bearer rh-second"}

    async def names() -> list[str]:
        async with router.session.get("/v1/models", headers=headers) as answer:
            return [model["id"] for model in (await answer.json()).get("data", [])]

    await eventually(lambda: _equals(names, ["other"]))
    async with router.session.get("/v1/models/other", headers=headers) as answer:
        shown = await answer.json()
    assert shown == {"id": "other", "object": "model", "created": 1_790_000_000, "owned_by": "roundhouse"}
    assert (await refusal(router.session.get("/v1/models/tiny", headers=headers), 404))["code"] == "model_not_found"


async def test_a_router_that_knows_nothing_yet_blames_no_key(tmp_path: Path, fleet: Fleet) -> None:
    fleet.broker.stop()
    async with RunningRouter(tmp_path, fleet) as router:
        async with router.session.get("/readyz") as answer:
            assert answer.status == 503
        assert (await refusal(router.post(), 503))["code"] == "router_starting"


async def _status(router: RunningRouter) -> int:
    async with router.post() as answer:
        status: int = answer.status
        return status


async def _equals(read: Any, wanted: list[str]) -> bool:  # Any: an async function
    return bool(await read() == wanted)
