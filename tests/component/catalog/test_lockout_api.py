"""Pauses after wrong passwords, first passwords and changing them."""

import asyncio
import secrets
from collections.abc import Awaitable

import pytest

from roundhouse_catalog.api.login_desk import LoginDesk
from roundhouse_catalog.domain.login_errors import LoginRefused
from roundhouse_catalog.domain.sessions import Client
from roundhouse_catalog.store import audit as audit_store
from roundhouse_catalog.store.audit import Filter, list_entries
from roundhouse_catalog.store.sessions import live_sessions
from roundhouse_common.auth import Role
from roundhouse_common.auth.passwords import Passwords
from roundhouse_common.contracts.base import Service
from roundhouse_common.http.audit import Audit
from roundhouse_common.runtime import SystemIds
from tests.component.catalog.people import ANN, PASSWORD, add_person, add_tenant, bearer, log_in, post
from tests.component.catalog.world import API, World

NEW = "nine purple walruses"


@pytest.fixture
async def ready(world: World) -> World:
    """A world where Ann can log in."""
    await add_person(world)
    await world.login_parts.keeper.look()
    return world


@pytest.mark.parametrize("name", ["ann", "nobody"])
async def test_pauses_grow_and_are_the_same_whether_there_is_such_a_user(ready: World, name: str) -> None:
    waits = []
    for _ in range(8):
        answer = await log_in(ready, name, "wrong")
        if answer.status_code == 429:
            waits.append(int(answer.headers["retry-after"]))
            ready.clock.seconds += waits[-1]
            answer = await log_in(ready, name, "wrong")
        assert answer.status_code == 401
    assert waits == [1, 2, 4]


async def test_right_password_waits_too_and_forgives_after(ready: World) -> None:
    for _ in range(5):
        await log_in(ready, "ann", "wrong")
    refused = await log_in(ready)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_logins")
    ready.clock.seconds += 1
    assert (await log_in(ready)).status_code == 201
    codes = [(await log_in(ready, "ann", "wrong")).status_code for _ in range(5)]
    assert codes == [401] * 5


async def test_many_at_once_get_no_more_tries_than_many_in_a_row(ready: World) -> None:
    answers = await asyncio.gather(*(log_in(ready, "ann", f"guess {number}") for number in range(30)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 25


async def test_one_address_cannot_try_many_names(ready: World) -> None:
    codes = [(await log_in(ready, f"name{number}", "wrong")).status_code for number in range(30)]
    assert codes == [401] * 20 + [429] * 10


@pytest.mark.contract("E05")
async def test_lock_is_in_the_audit(ready: World) -> None:
    for _ in range(5):
        await log_in(ready, "ann", "wrong")
    async with ready.db.read() as session:
        locks = await list_entries(session, Filter(action="login.lock"), limit=10)
        refused = await list_entries(session, Filter(action="session.start"), limit=10)
    assert len(locks) == 1
    assert len(refused) == 5
    assert all('"ann"' in str(one) for one in refused)


async def test_password_that_somebody_else_chose_must_be_changed_first(ready: World) -> None:
    admin = ready.token(Role.ADMINISTRATOR)
    given = (await post(ready, f"/users/{ANN}/password:reset", {}, token=admin)).json()["password"]
    assert (await log_in(ready)).status_code == 401, "the old one is gone"
    assert (await log_in(ready, "ann", given)).json()["code"] == "password_change_required"
    body = {"login_name": "ann", "password": given, "new_password": NEW}
    assert (await post(ready, "/password:change", body)).status_code == 204
    assert (await log_in(ready, "ann", NEW)).status_code == 201


async def test_given_password_expires(ready: World) -> None:
    admin = ready.token(Role.ADMINISTRATOR)
    given = (await post(ready, f"/users/{ANN}/password:reset", {}, token=admin)).json()["password"]
    ready.clock.seconds += 7 * 86_400
    assert (await log_in(ready, "ann", given)).json()["code"] == "password_expired"
    body = {"login_name": "ann", "password": given, "new_password": NEW}
    assert (await post(ready, "/password:change", body)).json()["code"] == "password_expired"


async def test_changing_the_password_ends_every_session(ready: World) -> None:
    ann = (await log_in(ready)).json()
    body = {"login_name": "ann", "password": PASSWORD, "new_password": NEW}
    assert (await post(ready, "/password:change", body)).status_code == 204
    answer = await post(ready, "/sessions:refresh", {"refresh_token": ann["refresh_token"]})
    assert answer.status_code == 401
    async with ready.db.read() as session:
        (ended,) = await list_entries(session, Filter(action="session.end-all"), limit=10)
    assert ended.read().actor == f"user:{ANN}"


@pytest.mark.parametrize("weak", ["short", PASSWORD, "Password1234!", "ann is my login name"])
async def test_weak_password_is_refused_without_being_repeated(ready: World, weak: str) -> None:
    body = {"login_name": "ann", "password": PASSWORD, "new_password": weak}
    answer = await post(ready, "/password:change", body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["new_password"]
    assert weak not in answer.text
    assert (await log_in(ready)).status_code == 201


async def test_changing_needs_the_password_and_locks_like_logging_in(ready: World) -> None:
    body = {"login_name": "ann", "password": "wrong", "new_password": NEW}
    codes = [(await post(ready, "/password:change", body)).status_code for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2


async def test_tenants_administrator_acts_only_on_who_is_theirs_and_no_more_than_they_are(ready: World) -> None:
    await add_tenant(ready, "ten_2")
    await add_person(ready, user_id="usr_boss", name="boss", roles=("administrator",))
    await add_person(ready, user_id="usr_both", name="both", tenants=("ten_default", "ten_2"))
    await add_person(ready, user_id="usr_else", name="else", tenants=("ten_2",))
    boss = (await log_in(ready, "boss")).json()
    found = {}
    for user_id in (ANN, "usr_both", "usr_else", "usr_admin", "usr_none"):
        answer = await ready.http.post(f"{API}/users/{user_id}/password:reset", headers=bearer(boss))
        found[user_id] = answer.status_code
    assert found == {ANN: 200, "usr_both": 403, "usr_else": 404, "usr_admin": 403, "usr_none": 404}


async def test_first_password_comes_from_the_file_once(ready: World) -> None:
    desk = ready.login_parts.logins.passwords
    assert await desk.give_first("usr_admin", "from the file")
    assert not await desk.give_first("usr_admin", "another file")
    assert (await log_in(ready, "admin", "from the file")).json()["code"] == "password_change_required"


class OvertakenPasswords(Passwords):
    """Somebody else chooses a new password while this one is checked."""

    def __init__(self, world: World) -> None:
        super().__init__(memory_kib=8, passes=1)
        self._world = world

    async def is_right(self, stored: str | None, password: str) -> bool:
        found = await super().is_right(stored, password)
        body = {"login_name": "ann", "password": PASSWORD, "new_password": NEW}
        assert (await post(self._world, "/password:change", body)).status_code == 204
        return found


@pytest.mark.parametrize("what", ["log in", "change"])
async def test_a_password_that_was_replaced_while_it_was_checked_opens_nothing(ready: World, what: str) -> None:
    audit = Audit(Service.CATALOG, ready.db, audit_store.record, clock=ready.clock, ids=SystemIds(), wake=lambda: None)
    desk = LoginDesk(
        ready.db,
        OvertakenPasswords(ready),
        ready.login_parts.logins.sessions,
        clock=ready.clock,
        random_bytes=secrets.token_bytes,
        audit=audit,
    )
    trying: Awaitable[object]
    if what == "log in":
        trying = desk.log_in("ann", PASSWORD, tenant="", client=Client())
    else:
        trying = desk.change("ann", PASSWORD, "ten yellow narwhals", client=Client())
    with pytest.raises(LoginRefused):
        await trying
    async with ready.db.read() as session:
        assert await live_sessions(session, ANN, now=ready.clock.now(), idle_s=60.0) == []
    assert (await log_in(ready, "ann", NEW)).status_code == 201
