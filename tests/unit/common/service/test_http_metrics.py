"""Requests to a REST application are counted by route, method and status."""

import itertools

import pytest
from fastapi import FastAPI, HTTPException
from httpx import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry

from roundhouse_common.service.http_metrics import HttpMetrics

_app = FastAPI()


@_app.get("/api/v1/things/{thing_id}")
async def show_thing(thing_id: str) -> str:
    if thing_id == "none":
        raise HTTPException(404)
    if thing_id == "bug":
        raise RuntimeError(thing_id)
    return thing_id


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


async def ask(registry: CollectorRegistry, *requests: tuple[str, str]) -> None:
    transport = ASGITransport(HttpMetrics(_app, registry, now=itertools.count().__next__), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://here") as client:
        for method, path in requests:
            await client.request(method, path)


def counted(registry: CollectorRegistry, method: str, route: str, status: str) -> float | None:
    labels = {"http_request_method": method, "http_route": route, "http_response_status_code": status}
    return registry.get_sample_value("http_server_request_duration_seconds_count", labels)


async def test_things_are_counted_by_the_template_of_their_route(registry: CollectorRegistry) -> None:
    await ask(registry, ("GET", "/api/v1/things/1"), ("GET", "/api/v1/things/2"), ("GET", "/api/v1/things/none"))
    assert counted(registry, "GET", "/api/v1/things/{thing_id}", "200") == 2
    assert counted(registry, "GET", "/api/v1/things/{thing_id}", "404") == 1


async def test_what_a_client_makes_up_makes_no_series(registry: CollectorRegistry) -> None:
    await ask(registry, ("GET", "/wp-login.php"), ("GET", "/.env"), ("BREW", "/coffee"))
    assert counted(registry, "GET", "", "404") == 2
    assert counted(registry, "_OTHER", "", "404") == 1


async def test_handler_that_fails_is_no_longer_active(registry: CollectorRegistry) -> None:
    await ask(registry, ("GET", "/api/v1/things/bug"))
    assert registry.get_sample_value("http_server_active_requests") == 0
    assert counted(registry, "GET", "/api/v1/things/{thing_id}", "500") == 1
