"""The operator's endpoints, in front of whatever the service serves."""

from collections.abc import Mapping

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from roundhouse_common.service.ops import ASGIApp, OpsApp, Receive, Scope, Send, guarded


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inner " + scope["path"].encode()})


def ops(checks: Mapping[str, str] | None = None, *, with_inner: bool = False) -> OpsApp:
    registry = CollectorRegistry()
    Counter("roundhouse_things", "Things seen", registry=registry).inc(3)
    app = OpsApp(
        readiness=lambda: checks or {"service": "ok"},
        registry=registry,
        version={"service": "catalog", "version": "1.2.3", "instance": "catalog-1"},
    )
    app.inner = inner if with_inner else None
    return app


async def ask(app: ASGIApp, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        return await client.request(method, path, headers=headers)


async def test_livez_answers_also_when_the_service_is_not_ready() -> None:
    assert (await ask(ops({"bus": "away"}), "/livez")).status_code == 200


async def test_readyz_names_every_check_and_why_it_fails() -> None:
    answer = await ask(ops({"service": "ok", "bus": "no connection"}), "/readyz")
    assert (answer.status_code, answer.json()) == (503, {"checks": {"service": "ok", "bus": "no connection"}})
    answer = await ask(ops({"service": "ok", "bus": "ok"}), "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"checks": {"service": "ok", "bus": "ok"}})


async def test_metrics_are_in_the_format_of_prometheus() -> None:
    answer = await ask(ops(), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "roundhouse_things_total 3.0" in answer.text


async def test_metrics_are_in_open_metrics_format_when_asked_for() -> None:
    answer = await ask(ops(), "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_version_says_who_answers() -> None:
    assert (await ask(ops(), "/version")).json() == {
        "service": "catalog",
        "version": "1.2.3",
        "instance": "catalog-1",
    }


async def test_everything_else_goes_to_the_service() -> None:
    assert (await ask(ops(with_inner=True), "/readyz/deep")).text == "inner /readyz/deep"


async def test_service_without_an_app_says_what_there_is() -> None:
    answer = await ask(ops(), "/")
    assert answer.status_code == 404
    assert "/readyz" in answer.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/version"])
async def test_operator_endpoints_only_take_get(path: str) -> None:
    assert (await ask(ops(with_inner=True), path, method="POST")).status_code == 405


TOKEN = "t" * 20


@pytest.mark.parametrize("said", ["", TOKEN, f"bearer {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}"])
async def test_metrics_are_kept_from_who_has_not_the_token(said: str) -> None:
    app = guarded(ops(with_inner=True), TOKEN)
    answer = await ask(app, "/metrics", **({"authorization": said} if said else {}))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "roundhouse_things" not in answer.text
    assert TOKEN not in answer.text


async def test_who_has_the_token_reads_metrics_and_everything_else_needs_none() -> None:
    app = guarded(ops(with_inner=True), TOKEN)
    assert "roundhouse_things_total" in (await ask(app, "/metrics", authorization=f"Bearer {TOKEN}")).text
    for path in ("/livez", "/readyz", "/version", "/v1/models", "/metrics/more"):
        assert (await ask(app, path)).status_code == 200
    assert guarded(app, "") is app
