"""Routes to outside providers through the whole router: keys in turn, fallbacks both ways, and no secret anywhere."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from roundhouse_common.contracts.routing import (
    Fallback,
    FallbackReason,
    ProviderFormat,
    ProviderKey,
    ProviderRecord,
    RouteRetries,
    RouteTarget,
)
from roundhouse_common.secret_box import SecretBox, new_secrets_key
from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import DONE, Engine, Exchange, Script, chunk, completion, streams, usage_chunk

KEY = new_secrets_key(lambda count: b"k" * count)
BOX = SecretBox([KEY])
GOOD, LIMITED, WRONG = "sk-good-secret-1111", "sk-limited-secret-2222", "sk-wrong-secret-3333"


def a_provider(engine: Engine, *secrets: str, **changes: Any) -> ProviderRecord:  # Any: fields of many types
    record = ProviderRecord(
        provider_id="prv_1",
        name="outside",
        tenant_id="",
        format=ProviderFormat.OPENAI,
        base_url=f"{engine.base_url}/v1",
        keys=tuple(ProviderKey(key_id=f"pky_{one[-4:]}", sealed=BOX.seal(one)) for one in secrets),
        headers={"x-team": "blue"},
    )
    return msgspec.structs.replace(record, **changes)


def by_key(answers: dict[str, tuple[int, dict[str, str], Any]]) -> Script:  # Any: a JSON document
    """Answer each key as the table says; anything else is a good answer that repeats what it was asked with."""

    async def script(exchange: Exchange) -> None:
        secret = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        status, headers, body = answers.get(secret, (200, {}, completion("from outside")))
        await exchange.whole(status, json.dumps(body).encode(), **headers)

    return script


REFUSAL = {"error": {"message": f"Incorrect API key provided: {WRONG}", "code": "invalid_api_key"}}
TOO_MANY = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
KEYS: dict[str, tuple[int, dict[str, str], Any]] = {
    LIMITED: (429, {"retry_after": "30"}, TOO_MANY),
    WRONG: (401, {}, REFUSAL),
}


@contextlib.asynccontextmanager
async def routed(
    tmp_path: Path,
    fleet: Fleet,
    provider: ProviderRecord,
    *targets: RouteTarget,
    engine: Engine | None = None,
    **of_the_route: Any,  # Any: fields of RouteRecord
) -> AsyncIterator[RunningRouter]:
    """Run a router whose route `tiny` has these targets; without any the provider's model `gpt-x`."""
    file = tmp_path / "secrets.keys"
    file.touch(mode=0o600)
    file.write_text(KEY + "\n")
    async with RunningRouter(tmp_path, fleet, secrets_key_file=file) as router:
        await fleet.put_key(api_key())
        await fleet.put_provider(provider)
        outside = RouteTarget(provider_id=provider.provider_id, model="gpt-x")
        await fleet.put_route(route(targets=targets or (outside,), **of_the_route))
        await fleet.put_endpoints(*([endpoint(engine.base_url)] if engine else []))
        await router.ready()
        await eventually(lambda: is_known(router))
        yield router


async def is_known(router: RunningRouter) -> bool:
    async with router.session.get("/v1/models", headers={"authorization": "Bearer rh-" + "k" * 43}) as answer:
        return bool((await answer.json())["data"])


def used(engine: Engine) -> list[str]:
    return [one.headers.get("authorization", "").removeprefix("Bearer ") for one in engine.exchanges]


@pytest.mark.contract("D18")
@pytest.mark.contract("D22")
async def test_a_provider_is_asked_with_its_key_its_headers_and_its_own_name_of_the_model(
    tmp_path: Path, fleet: Fleet
) -> None:
    async with Engine(by_key({})) as outside, routed(tmp_path, fleet, a_provider(outside, GOOD)) as router:
        async with router.post() as answer:
            assert answer.status == 200
            assert (await answer.json())["choices"][0]["message"]["content"] == "from outside"
        [asked] = outside.exchanges
        assert (asked.path, asked.json["model"]) == ("/v1/chat/completions", "gpt-x")
        assert (asked.headers["authorization"], asked.headers["x-team"]) == (f"Bearer {GOOD}", "blue")
        record = await fleet.one_record()
        assert (record.provider_id, record.deployment_id, record.input_tokens) == ("prv_1", "", 7)


@pytest.mark.contract("D21")
async def test_limited_and_refused_keys_give_way_and_rest(tmp_path: Path, fleet: Fleet) -> None:
    provider = (LIMITED, WRONG, GOOD)
    async with Engine(by_key(KEYS)) as outside, routed(tmp_path, fleet, a_provider(outside, *provider)) as router:
        for _ in range(5):
            async with router.post() as answer:
                assert answer.status == 200, await answer.text()
        assert used(outside) == [LIMITED, WRONG, GOOD, GOOD, GOOD, GOOD, GOOD]
        for kind in ("limited", "refused"):
            assert router.metric("roundhouse_router_provider_keys_resting", provider="outside", kind=kind) == 1
        assert router.metric("roundhouse_router_retries_refused_total") == 0


async def test_a_stream_is_had_with_the_next_key(tmp_path: Path, fleet: Fleet) -> None:
    good = streams(chunk("a"), chunk("b"), usage_chunk(3, 2), DONE)

    async def script(exchange: Exchange) -> None:
        is_limited = exchange.headers["authorization"].endswith(LIMITED)
        await (by_key(KEYS) if is_limited else good)(exchange)

    async with Engine(script) as outside, routed(tmp_path, fleet, a_provider(outside, LIMITED, GOOD)) as router:
        async with router.stream() as answer:
            body = await answer.read()
        assert (answer.status, body.count(b"data: "), body.endswith(DONE)) == (200, 3, True)


async def test_when_all_keys_are_limited_the_caller_learns_when_to_come_back(tmp_path: Path, fleet: Fleet) -> None:
    async with Engine(by_key(KEYS)) as outside, routed(tmp_path, fleet, a_provider(outside, LIMITED)) as router:
        async with router.post() as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (429, "upstream_rate_limited")
            assert 28 <= int(answer.headers["retry-after"]) <= 30
        async with router.post() as answer:
            assert answer.status == 429
        assert used(outside) == [LIMITED]


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_when_all_keys_are_refused_the_callers_key_is_not_blamed(
    tmp_path: Path, fleet: Fleet, status: int
) -> None:
    script = by_key({WRONG: (status, {}, REFUSAL)})
    async with Engine(script) as outside, routed(tmp_path, fleet, a_provider(outside, WRONG)) as router:
        for _ in range(3):
            async with router.post() as answer:
                error = (await answer.json())["error"]
                assert (answer.status, error["code"]) == (502, "upstream_credentials_exhausted")
                assert "not about your own key" in error["message"]
        assert used(outside) == [WRONG]


async def test_a_429_that_means_no_credit_is_no_matter_of_waiting(tmp_path: Path, fleet: Fleet) -> None:
    spent = (429, {"retry_after": "1"}, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    async with (
        Engine(by_key({WRONG: spent})) as outside,
        routed(tmp_path, fleet, a_provider(outside, WRONG)) as router,
        router.post() as answer,
    ):
        assert (await answer.json())["error"]["code"] == "upstream_credentials_exhausted"


@pytest.mark.contract("D19")
async def test_a_deployment_gives_way_to_a_provider(tmp_path: Path, fleet: Fleet) -> None:
    targets = (RouteTarget(deployment_id="dep_1"), RouteTarget(provider_id="prv_1", model="gpt-x", priority=1))
    async with (
        Engine(by_key({})) as outside,
        Engine(by_key({"engine-secret-1": (500, {}, {"error": "broken"})})) as engine,
        routed(tmp_path, fleet, a_provider(outside, GOOD), *targets, engine=engine) as router,
        router.post() as answer,
    ):
        assert (answer.status, len(engine.exchanges)) == (200, 1)
        assert (await answer.json())["choices"][0]["message"]["content"] == "from outside"
        assert GOOD not in repr([one.headers for one in engine.exchanges])
        assert (await fleet.one_record()).attempts == 2


@pytest.mark.contract("D19")
@pytest.mark.parametrize("secret", [LIMITED, WRONG])
async def test_a_provider_without_a_usable_key_gives_way_to_a_deployment_at_no_cost(
    tmp_path: Path, fleet: Fleet, secret: str
) -> None:
    targets = (RouteTarget(provider_id="prv_1", model="gpt-x"), RouteTarget(deployment_id="dep_1", priority=1))
    async with (
        Engine(by_key(KEYS)) as outside,
        Engine(by_key({})) as engine,
        routed(
            tmp_path,
            fleet,
            a_provider(outside, secret),
            *targets,
            engine=engine,
            retries=RouteRetries(max_attempts=1),
        ) as router,
    ):
        for _ in range(30):
            async with router.post() as answer:
                assert answer.status == 200, await answer.text()
        assert (len(outside.exchanges), len(engine.exchanges)) == (1, 30)
        assert router.metric("roundhouse_router_retries_refused_total") == 0


@pytest.mark.contract("D19")
async def test_a_route_falls_back_to_another_route_when_a_provider_has_no_key(tmp_path: Path, fleet: Fleet) -> None:
    fallbacks = (Fallback(reason=FallbackReason.ERROR, route="other"),)
    async with (
        Engine(by_key(KEYS)) as outside,
        Engine(by_key({})) as engine,
        routed(tmp_path, fleet, a_provider(outside, WRONG), engine=engine, fallbacks=fallbacks) as router,
    ):
        await fleet.put_route(route("other"))

        async def is_answered() -> bool:
            async with router.post() as answer:
                return bool(answer.status == 200)

        await eventually(is_answered)
        assert engine.exchanges


async def test_a_key_that_is_added_is_used_without_a_restart(tmp_path: Path, fleet: Fleet) -> None:
    async with Engine(by_key(KEYS)) as outside, routed(tmp_path, fleet, a_provider(outside, WRONG)) as router:
        async with router.post() as answer:
            assert answer.status == 502
        await fleet.put_provider(a_provider(outside, WRONG, GOOD))

        async def is_answered() -> bool:
            async with router.post() as answer:
                return bool(answer.status == 200)

        await eventually(is_answered)
        assert used(outside).count(WRONG) == 1


async def test_secrets_are_in_no_log_error_metric_snapshot_or_record(tmp_path: Path, fleet: Fleet) -> None:
    with capture_logs() as logs:
        said = []
        async with (
            Engine(by_key(KEYS)) as outside,
            routed(tmp_path, fleet, a_provider(outside, WRONG, LIMITED)) as router,
        ):
            for _ in range(2):
                async with router.post() as answer:
                    said.append(await answer.text() + repr(answer.headers))
            await fleet.put_provider(a_provider(outside, GOOD))
            async with router.session.get("/metrics") as answer:
                said.append(await answer.text())
            await eventually(lambda: fleet.records)
            snapshot = tmp_path / "snapshot.json"
            await eventually(lambda: snapshot.exists() and "gAAAA" in snapshot.read_text())
    kept = [path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    everything = "\n".join([*said, *kept, repr(logs), repr(fleet.records)])
    assert "provider_key_refused" in repr(logs)
    assert any("gAAAA" in text for text in kept), "the snapshot holds the provider's keys, sealed"
    for secret in (GOOD, LIMITED, WRONG):
        assert secret not in everything


async def test_from_its_snapshot_a_router_opens_the_keys_again(tmp_path: Path, fleet: Fleet) -> None:
    async with Engine(by_key({})) as outside:
        async with routed(tmp_path, fleet, a_provider(outside, GOOD)) as router:
            async with router.post() as answer:
                assert answer.status == 200
            snapshot = tmp_path / "snapshot.json"
            await eventually(lambda: snapshot.exists() and "gAAAA" in snapshot.read_text())
        async with (
            Fleet() as nobody,
            RunningRouter(tmp_path, nobody, secrets_key_file=tmp_path / "secrets.keys") as router,
            router.post() as answer,
        ):
            assert answer.status == 200
        assert used(outside) == [GOOD, GOOD]


async def test_a_router_without_the_file_of_keys_says_so_to_operators_only(tmp_path: Path, fleet: Fleet) -> None:
    async with Engine(by_key({})) as outside, routed(tmp_path, fleet, a_provider(outside, GOOD)) as router:
        (tmp_path / "secrets.keys").unlink()
        with capture_logs() as logs:
            async with router.post() as answer:
                error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (502, "upstream_credentials_exhausted")
        assert str(tmp_path) not in error["message"]
        assert "cannot be read" in repr(logs)
        assert outside.exchanges == []
