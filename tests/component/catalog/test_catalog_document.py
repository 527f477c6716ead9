"""The catalog answers every request that can be made up from its OpenAPI document as the document says."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.component.catalog.world import World
from tests.support.api_documents import Case, document_of, hold_to_the_document, requests_of

KNOWN: dict[str, list[str | int]] = {"name": ["smol", "smol-a"], "model": ["smol"], "number": [1, 2]}
IDS = {
    "model_id": "models",
    "deployment_id": "deployments",
    "route_id": "routes",
    "limit_id": "limits",
    "provider_id": "providers",
    "key_id": "api-keys",
}
KNOWN |= {name: [""] for name in IDS}
ON_THE_BUS = "POST /api/v1/bus:rebuild"
"""There is no bus here."""


@pytest.fixture
async def filled_world(sqlite_world: World) -> World:
    """One of everything, whose ids half of the requests have."""
    await sqlite_world.deployment(model=(await sqlite_world.model())["name"])
    await sqlite_world.post("/api-keys", {"name": "mine"})
    await sqlite_world.post("/limits", {"name": "most", "per": ["key"], "requests_per_minute": 5})
    await sqlite_world.post("/providers", {"name": "out", "format": "openai", "base_url": "http://127.0.0.1:1/v1"})
    for name, path in IDS.items():
        KNOWN[name][:] = [item["id"] for item in (await sqlite_world.get(f"/{path}")).json()["items"]]
        assert KNOWN[name], name
    return sqlite_world


@pytest.mark.contract("A02")
@given(case=requests_of(document_of("catalog"), KNOWN, without=[ON_THE_BUS]))
@settings(max_examples=400, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
async def test_every_answer_is_as_documented(filled_world: World, case: Case) -> None:
    await hold_to_the_document(case, filled_world.http)
