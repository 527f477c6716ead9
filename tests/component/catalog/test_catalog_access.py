"""Who may do what, what a repeated write does, and what a caller learns about themselves."""

import pytest

from roundhouse_common.auth import Role
from tests.component.catalog.world import World, deployment_body, model_body

WRITES = [
    ("POST", "/models"),
    ("PATCH", "/models/x"),
    ("DELETE", "/models/x"),
    ("POST", "/deployments"),
    ("PATCH", "/deployments/x"),
    ("DELETE", "/deployments/x"),
    ("POST", "/deployments/x:start"),
    ("POST", "/deployments/x:stop"),
    ("POST", "/deployments/x:pause"),
    ("POST", "/deployments/x:resume"),
    ("POST", "/deployments:validate"),
    ("POST", "/deployments/x/versions"),
    ("POST", "/deployments/x/versions/1:start"),
    ("POST", "/deployments/x/versions/1:restart"),
    ("DELETE", "/deployments/x/versions/1"),
    ("POST", "/models/x:inspect"),
    ("POST", "/models/x:copy"),
    ("POST", "/models:from-modelfile"),
    ("POST", "/uploads"),
    ("PUT", "/uploads/x/files/y"),
    ("DELETE", "/uploads/x"),
    ("POST", "/templates"),
    ("POST", "/templates/x/versions"),
    ("POST", "/templates:import"),
    ("DELETE", "/templates/x"),
    ("POST", "/dead-letters/x:replay"),
    ("DELETE", "/dead-letters/x"),
    ("POST", "/api-keys"),
    ("DELETE", "/api-keys/x"),
    ("POST", "/routes"),
    ("PATCH", "/routes/x"),
    ("DELETE", "/routes/x"),
    ("POST", "/routes:import-litellm"),
    ("POST", "/providers"),
    ("PATCH", "/providers/x"),
    ("DELETE", "/providers/x"),
    ("POST", "/providers/x/keys"),
    ("DELETE", "/providers/x/keys/y"),
    ("POST", "/providers/x:check"),
    ("POST", "/providers:reseal"),
    ("POST", "/limits"),
    ("PATCH", "/limits/x"),
    ("DELETE", "/limits/x"),
    ("POST", "/bus:rebuild"),
]
READS = [
    "/models",
    "/models/x",
    "/models/x/modelfile",
    "/uploads",
    "/uploads/x",
    "/uploads/x/files/y",
    "/deployments",
    "/deployments/x",
    "/deployments/x/versions",
    "/deployments/x/versions/1",
    "/templates",
    "/templates/x",
    "/templates/x/versions",
    "/templates/x/versions/1",
    "/dead-letters",
    "/dead-letters/x",
    "/api-keys",
    "/routes",
    "/routes/x",
    "/providers",
    "/providers/x",
    "/limits",
    "/limits/x",
    "/me",
]


async def test_nothing_is_answered_without_a_token(sqlite_world: World) -> None:
    del sqlite_world.http.headers["authorization"]
    requests = [*WRITES, *(("GET", path) for path in READS)]
    answers = {one: await sqlite_world.http.request(one[0], f"/api/v1{one[1]}", json={}) for one in requests}
    assert {
        one: (got.status_code, got.headers.get("www-authenticate")) for one, got in answers.items()
    } == dict.fromkeys(requests, (401, "Bearer"))


@pytest.mark.contract("E02")
async def test_viewers_change_nothing(sqlite_world: World) -> None:
    sqlite_world.http.headers["authorization"] = f"Bearer {sqlite_world.token(Role.VIEWER)}"
    answers = {one: await sqlite_world.http.request(one[0], f"/api/v1{one[1]}", json={}) for one in WRITES}
    assert {one: got.json()["code"] for one, got in answers.items()} == dict.fromkeys(WRITES, "forbidden")


async def test_a_write_sent_twice_happens_once(world: World) -> None:
    first = await world.post("/models", model_body(), idempotency_key="one")
    again = await world.post("/models", model_body(), idempotency_key="one")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert len((await world.get("/models")).json()["items"]) == 1


async def test_a_repeated_deployment_does_not_bring_up_a_second_one(world: World) -> None:
    await world.model()
    for _ in range(3):
        await world.post("/deployments", deployment_body(), idempotency_key="one")
    assert len((await world.get("/deployments")).json()["items"]) == 1


async def test_a_repeated_stop_does_not_stop_what_was_started_since(world: World) -> None:
    await world.model()
    path = f"/deployments/{(await world.deployment())['id']}"
    await world.post(f"{path}:stop", idempotency_key="one")
    await world.post(f"{path}:start")
    await world.post(f"{path}:stop", idempotency_key="one")
    assert (await world.get(path)).json()["desired"] == "run"


async def test_a_key_for_another_request_is_refused(world: World) -> None:
    await world.post("/models", model_body(), idempotency_key="one")
    refused = await world.post("/models", model_body(name="other"), idempotency_key="one")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_failed_write_may_be_sent_again_with_its_key(world: World) -> None:
    assert (await world.post("/deployments", deployment_body(), idempotency_key="one")).status_code == 422
    await world.model()
    assert (await world.post("/deployments", deployment_body(), idempotency_key="one")).status_code == 201


async def test_me_says_who_calls_and_what_they_may_do(world: World) -> None:
    world.http.headers["authorization"] = f"Bearer {world.token(Role.VIEWER)}"
    me = (await world.get("/me")).json()
    assert (me["id"], me["kind"], me["tenant_name"], me["roles"]) == ("usr_test", "user", "default", ["viewer"])
    assert "models:read" in me["actions"]
    assert "models:write" not in me["actions"]
