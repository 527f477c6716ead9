"""Logging in, going on and logging out. What is subtle in SQL runs on both databases."""

from typing import Any

import pytest
from sqlalchemy import delete, update

from roundhouse_catalog.store import tables
from roundhouse_catalog.store.audit import Filter, list_entries
from roundhouse_common.auth import Role, Subject
from roundhouse_common.errors import Unauthenticated
from tests.component.catalog.people import ANN, PASSWORD, add_person, add_tenant, bearer, log_in, post
from tests.component.catalog.world import API, World


@pytest.fixture
async def ready(sqlite_world: World) -> World:
    """A world where Ann can log in."""
    return await with_ann(sqlite_world)


@pytest.fixture
async def on_both(world: World) -> World:
    """The same on SQLite, and again on Postgres."""
    return await with_ann(world)


async def with_ann(world: World) -> World:
    await add_person(world)
    await world.login_parts.keeper.look()
    return world


async def refresh(world: World, token: str, **more: Any) -> Any:
    agent = more.pop("agent", "tests")
    return await post(world, "/sessions:refresh", {"refresh_token": token, **more}, agent=agent)


async def subject_of(world: World, token: str) -> Subject | None:
    """Return whom the catalog takes the bearer of the token for."""
    await world.login_parts.keeper.look()
    try:
        return world.verifier.verify(token)
    except Unauthenticated:
        return None


@pytest.mark.contract("E06", "E07")
async def test_who_knows_the_password_gets_tokens_for_their_roles(ready: World) -> None:
    answer = await log_in(ready)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    subject = await subject_of(ready, answer.json()["access_token"])
    assert subject is not None
    assert (subject.id, subject.tenant_id, subject.roles) == (ANN, "ten_default", frozenset({Role.USER}))
    assert subject.session_id == answer.json()["session_id"]
    ready.clock.seconds += 306
    assert await subject_of(ready, answer.json()["access_token"]) is None


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("ANN", PASSWORD), ("sa", PASSWORD), ("ann", "")]
)
async def test_everybody_else_gets_one_and_the_same_answer(ready: World, name: str, password: str) -> None:
    await add_person(ready, user_id="usr_sa", name="sa", password=None)
    answer = await log_in(ready, name, password)
    assert answer.status_code == 401
    assert answer.json()["code"] == "login_refused"
    assert {**answer.json(), "instance": ""} == {**(await log_in(ready, "who", "what")).json(), "instance": ""}


async def test_who_is_disabled_learns_no_more_than_who_is_nobody(ready: World) -> None:
    await add_person(ready, user_id="usr_bob", name="bob", is_disabled=True)
    assert (await log_in(ready, "bob")).json()["code"] == "login_refused"


async def test_each_refresh_brings_the_next_token(ready: World) -> None:
    first = (await log_in(ready)).json()
    second = (await refresh(ready, first["refresh_token"])).json()
    third = (await refresh(ready, second["refresh_token"])).json()
    assert len({one["refresh_token"] for one in (first, second, third)}) == 3
    assert {one["session_id"] for one in (first, second, third)} == {first["session_id"]}
    assert await subject_of(ready, third["access_token"]) is not None


async def test_stolen_refresh_token_ends_the_session_for_both(on_both: World) -> None:
    first = (await log_in(on_both)).json()
    on_both.clock.seconds += 60
    thiefs = (await refresh(on_both, first["refresh_token"], agent="thief")).json()
    on_both.clock.seconds += 60
    assert (await refresh(on_both, first["refresh_token"])).json()["code"] == "refresh_refused"
    assert (await refresh(on_both, thiefs["refresh_token"], agent="thief")).status_code == 401
    assert await subject_of(on_both, thiefs["access_token"]) is None
    async with on_both.db.read() as session:
        entries = await list_entries(session, Filter(action="session.end"), limit=10)
    assert ["refresh-token-reused" in str(entry) for entry in entries] == [True]


async def test_client_whose_answer_was_lost_may_ask_again_for_seconds(ready: World) -> None:
    first = (await log_in(ready)).json()
    lost = (await refresh(ready, first["refresh_token"])).json()
    ready.clock.seconds += 10
    again = await refresh(ready, first["refresh_token"])
    assert again.status_code == 200
    further = await refresh(ready, again.json()["refresh_token"])
    assert further.status_code == 200
    assert (await refresh(ready, lost["refresh_token"])).status_code == 401, "what was lost is no good any more"
    ended = await refresh(ready, further.json()["refresh_token"])
    assert ended.status_code == 401, "the answer was not lost: somebody else has it"


async def test_another_client_has_no_grace(ready: World) -> None:
    first = (await log_in(ready)).json()
    await refresh(ready, first["refresh_token"])
    assert (await refresh(ready, first["refresh_token"], agent="thief")).status_code == 401
    assert await subject_of(ready, first["access_token"]) is None


@pytest.mark.parametrize(("idle_s", "code"), [(12 * 3600 - 1, 200), (12 * 3600, 401)])
async def test_session_that_is_not_used_ends(ready: World, idle_s: float, code: int) -> None:
    first = (await log_in(ready)).json()
    ready.clock.seconds += idle_s
    assert (await refresh(ready, first["refresh_token"])).status_code == code


async def test_session_ends_after_a_month_however_busy(ready: World) -> None:
    token = (await log_in(ready)).json()["refresh_token"]
    codes = []
    for _ in range(63):
        ready.clock.seconds += 12 * 3600 - 60
        answer = await refresh(ready, token)
        codes.append(answer.status_code)
        if answer.status_code != 200:
            break
        token = answer.json()["refresh_token"]
    assert codes == [200] * 60 + [401]


async def test_switching_the_tenant_is_a_refresh_for_another(on_both: World) -> None:
    await add_tenant(on_both, "ten_2")
    await add_tenant(on_both, "ten_3")
    await add_person(on_both, user_id="usr_bob", name="bob", tenants=("ten_default", "ten_2"))
    first = (await log_in(on_both, "bob", tenant="ten_default")).json()
    second = (await refresh(on_both, first["refresh_token"], tenant="ten_2")).json()
    assert second["tenant_id"] == "ten_2"
    third = (await refresh(on_both, second["refresh_token"])).json()
    assert third["tenant_id"] == "ten_2", "it stays there"
    for other in ("ten_3", "ten_nowhere"):
        refused = await refresh(on_both, third["refresh_token"], tenant=other)
        assert (refused.status_code, refused.json()["code"]) == (403, "no_tenant")
    assert (await refresh(on_both, third["refresh_token"])).status_code == 200, "a refusal uses nothing up"


async def test_logging_out_voids_tokens_at_once(ready: World) -> None:
    one, other = (await log_in(ready)).json(), (await log_in(ready)).json()
    answer = await ready.http.delete(f"{API}/sessions/current", headers=bearer(one))
    assert answer.status_code == 204
    assert await subject_of(ready, one["access_token"]) is None
    assert await subject_of(ready, other["access_token"]) is not None
    assert (await refresh(ready, one["refresh_token"])).status_code == 401


async def test_signing_out_everywhere_ends_all_and_the_next_login_is_good_at_once(on_both: World) -> None:
    one, other = (await log_in(on_both)).json(), (await log_in(on_both)).json()
    on_both.clock.seconds += 0.5
    answer = await post(on_both, "/sessions:sign-out-everywhere", {}, token=one["access_token"])
    assert answer.json() == {"sessions_ended": 2}
    for person in (one, other):
        assert await subject_of(on_both, person["access_token"]) is None
        assert (await refresh(on_both, person["refresh_token"])).status_code == 401
    assert await subject_of(on_both, (await log_in(on_both)).json()["access_token"]) is not None


async def test_own_sessions_are_listed_and_others_cannot_be_ended(ready: World) -> None:
    await add_person(ready, user_id="usr_bob", name="bob")
    ann, bob = (await log_in(ready)).json(), (await log_in(ready, "bob")).json()
    listed = (await ready.http.get(f"{API}/sessions", headers=bearer(ann))).json()["items"]
    assert [(one["id"], one["user_agent"], one["is_current"]) for one in listed] == [(ann["session_id"], "tests", True)]
    answer = await ready.http.delete(f"{API}/sessions/{bob['session_id']}", headers=bearer(ann))
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_who_is_disabled_or_in_no_tenant_gets_no_further_token(ready: World) -> None:
    await add_person(ready, user_id="usr_bob", name="bob")
    ann, bob = (await log_in(ready)).json(), (await log_in(ready, "bob")).json()
    async with ready.db.write() as session:
        await session.execute(update(tables.users).where(tables.users.c.id == ANN).values(is_disabled=True))
        await session.execute(delete(tables.memberships).where(tables.memberships.c.user_id == "usr_bob"))
    for person in (ann, bob):
        assert (await refresh(ready, person["refresh_token"])).status_code == 401
        assert await subject_of(ready, person["access_token"]) is None, "its session has ended"


@pytest.mark.contract("E05")
async def test_logins_and_refusals_are_in_the_audit(ready: World) -> None:
    await log_in(ready)
    async with ready.db.read() as session:
        entries = await list_entries(session, Filter(action="session.start"), limit=10)
    assert len(entries) == 1
    assert f"user:{ANN}" in str(entries[0])
    assert PASSWORD not in str(entries)
