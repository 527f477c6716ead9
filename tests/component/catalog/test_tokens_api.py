"""Personal tokens, and the keys that everything is signed with."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from sqlalchemy import update

from roundhouse_catalog.domain.signing_keys import published
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.signing_keys import all_signing_keys
from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.errors import Unauthenticated
from tests.component.catalog.people import ANN, add_person, bearer, log_in, post
from tests.component.catalog.world import API, World


@pytest.fixture
async def ready(world: World) -> World:
    """A world where Ann can log in."""
    await add_person(world)
    await world.login_parts.keeper.look()
    return world


async def token_of(world: World, person: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = await post(world, "/tokens", {"name": "job", **body}, token=person["access_token"])
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def exchange(world: World, secret: str) -> Any:
    return await post(world, "/sessions:exchange", {"token": secret})


async def subject_of(world: World, token: str) -> Subject | None:
    await world.login_parts.keeper.look()
    try:
        return world.verifier.verify(token)
    except Unauthenticated:
        return None


@pytest.mark.contract("E06", "E07")
async def test_personal_token_is_exchanged_for_what_its_owner_may_do(ready: World) -> None:
    ann = (await log_in(ready)).json()
    made = await token_of(ready, ann)
    assert made["secret"].startswith("rhp-")
    given = await exchange(ready, made["secret"])
    assert given.headers["cache-control"] == "no-store"
    subject = await subject_of(ready, given.json()["access_token"])
    assert subject is not None
    assert (subject.id, subject.roles, given.json()["expires_in"]) == (ANN, frozenset({Role.USER}), 300)
    [listed] = (await ready.http.get(f"{API}/tokens", headers=bearer(ann))).json()["items"]
    assert "secret" not in listed
    assert (listed["prefix"], listed["last_four"]) == (made["secret"][:8], made["secret"][-4:])
    assert listed["last_used_at"] is not None


async def test_revoked_token_voids_what_it_was_exchanged_for(ready: World) -> None:
    ann = (await log_in(ready)).json()
    made = await token_of(ready, ann)
    given = (await exchange(ready, made["secret"])).json()
    assert (await ready.http.delete(f"{API}/tokens/{made['id']}", headers=bearer(ann))).status_code == 204
    assert (await exchange(ready, made["secret"])).json()["code"] == "token_refused"
    assert await subject_of(ready, given["access_token"]) is None
    assert await subject_of(ready, ann["access_token"]) is not None


@pytest.mark.parametrize(("days", "code"), [(-1, 422), (0.5, 201), (366, 201), (367, 422)])
async def test_token_expires_within_a_year(ready: World, days: float, code: int) -> None:
    ann = (await log_in(ready)).json()
    until = datetime.fromtimestamp(ready.clock.seconds + days * 86_400, UTC).isoformat()
    answer = await post(ready, "/tokens", {"name": "job", "expires_at": until}, token=ann["access_token"])
    assert answer.status_code == code


async def test_expired_token_and_one_of_a_disabled_user_are_refused(ready: World) -> None:
    ann = (await log_in(ready)).json()
    made = await token_of(ready, ann)
    async with ready.db.write() as session:
        await session.execute(update(tables.users).where(tables.users.c.id == ANN).values(is_disabled=True))
    assert (await exchange(ready, made["secret"])).status_code == 401
    async with ready.db.write() as session:
        await session.execute(update(tables.users).where(tables.users.c.id == ANN).values(is_disabled=False))
    assert (await exchange(ready, made["secret"])).status_code == 200
    ready.clock.seconds += 90 * 86_400
    assert (await exchange(ready, made["secret"])).status_code == 401
    assert (await exchange(ready, "rhp-" + "0" * 64)).status_code == 401


async def test_token_makes_no_tokens(ready: World) -> None:
    made = await token_of(ready, (await log_in(ready)).json())
    given = (await exchange(ready, made["secret"])).json()
    answer = await post(ready, "/tokens", {"name": "more"}, token=given["access_token"])
    assert answer.status_code == 403


async def test_service_account_has_tokens_from_who_holds_as_much(ready: World) -> None:
    await add_person(ready, user_id="usr_boss", name="boss", roles=("administrator",))
    await add_person(
        ready, user_id="sva_1", name="robot", password=None, kind="service-account", tenant_id="ten_default",
        roles=("administrator",),
    )  # fmt: skip
    ann, boss = (await log_in(ready)).json(), (await log_in(ready, "boss")).json()
    made = await token_of(ready, boss, user_id="sva_1")
    subject = await subject_of(ready, (await exchange(ready, made["secret"])).json()["access_token"])
    assert subject is not None
    assert subject.actor == "service-account:sva_1"
    refused = await post(ready, "/tokens", {"name": "job", "user_id": "sva_1"}, token=ann["access_token"])
    assert refused.status_code == 403
    refused = await post(ready, "/tokens", {"name": "job", "user_id": ANN}, token=boss["access_token"])
    assert refused.status_code == 404, "people make their own"


async def test_keys_are_replaced_without_anybody_being_refused(ready: World) -> None:
    """A service that hears of the keys only from the bucket verifies every token at every moment."""
    service = TokenVerifier(generate_keypair()[1], clock=ready.clock)
    admin = (await log_in(ready)).json()
    keeper = ready.login_parts.keeper

    async def follow() -> int:
        await keeper.look()
        async with ready.db.read() as session:
            shown = published(await all_signing_keys(session))
        service.trust(shown.jwks, generation=shown.generation)
        return len(json.loads(shown.jwks)["keys"])

    assert await follow() == 1
    ready.clock.seconds += 1
    answer = await post(ready, "/signing-keys:rotate", {}, token=ready.token(Role.ADMINISTRATOR))
    assert [key["is_signing"] for key in answer.json()["items"]] == [True, False]
    token, kids, shown = admin["refresh_token"], [], []
    for _ in range(9):
        shown.append(await follow())
        given = (await post(ready, "/sessions:refresh", {"refresh_token": token})).json()
        token = given["refresh_token"]
        assert service.verify(given["access_token"]).id == ANN
        kids.append(jws.extract_compact(given["access_token"].encode()).headers()["kid"])
        ready.clock.seconds += 60
    assert len(dict.fromkeys(kids)) == 2
    assert [kids.count(kid) for kid in dict.fromkeys(kids)] == [2, 7]
    assert shown == [2] * 8 + [1]


async def test_compromised_key_signs_nothing_that_counts(ready: World) -> None:
    ann = (await log_in(ready)).json()
    body = {"is_compromised": True}
    answer = await post(ready, "/signing-keys:rotate", body, token=ready.token(Role.ADMINISTRATOR))
    assert len(answer.json()["items"]) == 1
    assert await subject_of(ready, ann["access_token"]) is None
    given = await post(ready, "/sessions:refresh", {"refresh_token": ann["refresh_token"]})
    assert await subject_of(ready, given.json()["access_token"]) is not None
