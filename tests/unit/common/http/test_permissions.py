"""Who gets in: a valid token, and a role that permits the action."""

import pytest

from roundhouse_common.auth import Role
from tests.unit.common.http.application import application, bearer, client


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer garbage", "Basic dXNlcjpwYXNz", "bearer", "Bearer a b c", "rh-key"],
)
async def test_request_without_a_valid_token_is_unauthorised(authorization: str | None) -> None:
    async with client() as c:
        del c.headers["authorization"]
        headers = {} if authorization is None else {"authorization": authorization}
        answer = await c.get("/api/v1/things", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_expired_token_is_unauthorised() -> None:
    async with client() as c:
        answer = await c.get("/api/v1/things", headers=bearer(Role.ADMINISTRATOR, ttl_s=-60))
    assert (answer.status_code, answer.json()["detail"]) == (401, "The access token has expired; get a new one.")


async def test_role_that_does_not_permit_the_action_is_forbidden() -> None:
    async with client(application(), Role.VIEWER) as c:
        assert (await c.get("/api/v1/things")).status_code == 200
        answer = await c.post("/api/v1/things", json={"name": "a"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "models:write" in answer.json()["detail"]


async def test_permission_is_decided_before_the_body_is_judged() -> None:
    async with client() as c:
        answer = await c.post("/api/v1/things", json={"nonsense": 1}, headers={"authorization": "Bearer x"})
    assert answer.status_code in (401, 422)


async def test_openapi_document_describes_tokens_and_problems_and_loads_nothing_from_elsewhere() -> None:
    async with client() as c:
        document = (await c.get("/api/v1/openapi.json")).json()
        pages = [(await c.get(path)).status_code for path in ("/docs", "/redoc")]
    operation = document["paths"]["/api/v1/things"]["post"]
    assert operation["security"] == [{"Access token": []}]
    for status in ("401", "403", "422"):
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
    assert set(document["components"]["schemas"]["Problem"]["properties"]) >= {"type", "title", "status", "code"}
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert pages == [404, 404]
