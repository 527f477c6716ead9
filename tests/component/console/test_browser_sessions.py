"""Browser sessions: what a cookie opens, and what nothing else does. A real catalog answers, in process."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemIds
from roundhouse_console.clients.playground_key import NAME, playground_key
from roundhouse_console.clients.sessions import Sessions
from roundhouse_console.clients.signed_in import Addresses, SignedIn
from roundhouse_console.domain.errors import Refused, SignedOut
from roundhouse_console.domain.session import Kept
from roundhouse_console.store.tables import sessions as table
from tests.component.catalog.people import ANN, PASSWORD, add_person, add_tenant
from tests.component.catalog.world import World, a_world
from tests.support.databases import Migrate

IDLE_S = 3_600.0
_CATALOG = "http://catalog"
_BROWSER = httpx.Headers({"user-agent": "a browser"})

Console = Callable[[], Sessions]
"""A console on the test's database, as if started anew."""


@pytest.fixture
async def world(migrated: Migrate, tmp_path: Path) -> AsyncIterator[World]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'catalog.db'}"
    await migrated(url, "catalog")
    async with a_world(url, tmp_path / "uploads") as opened:
        await add_tenant(opened, "ten_other")
        await add_person(opened, tenants=("ten_default", "ten_other"))
        await opened.login_parts.keeper.look()
        yield opened


@pytest.fixture
async def db(database_url: str, migrated: Migrate) -> AsyncIterator[Database]:
    await migrated(database_url, "console")
    async with Database(database_url, service="console") as made:
        yield made


@pytest.fixture
def console(world: World, db: Database) -> Console:
    counted = iter(range(1, 1_000_000))
    addresses = Addresses(catalog=_CATALOG, scheduler="", metering="", router="", router_public="")

    def start() -> Sessions:
        return Sessions(
            db,
            world.http,
            addresses,
            clock=world.clock,
            ids=SystemIds(),
            token_hex=lambda size: f"{next(counted):0{2 * size}x}",
            idle_s=IDLE_S,
        )

    return start


async def _sign_in(sessions: Sessions) -> str:
    return await sessions.begin(await sessions.logins.start("ann", PASSWORD, "ten_default", _BROWSER))


async def _person(sessions: Sessions, cookie: str) -> SignedIn:
    found = await sessions.find(cookie)
    assert found is not None
    return found


async def test_a_cookie_opens_its_session_also_after_a_restart(console: Console) -> None:
    cookie = await _sign_in(console())
    me = await (await _person(console(), cookie)).me()
    assert (me.id, me.tenant_id, me.is_operator) == (ANN, "ten_default", False)


async def test_the_database_alone_opens_nothing(console: Console, db: Database) -> None:
    sessions = console()
    cookie = await _sign_in(sessions)
    token = await (await _person(sessions, cookie)).access_token()
    async with db.read() as session:
        row = (await session.execute(select(table))).one()
    for text in (cookie, token):
        assert text not in row.digest
        assert text.encode() not in row.sealed
    assert await console().find(row.digest) is None


@pytest.mark.parametrize("cookie", ["", "0" * 64, "é\x00", "x" * 10_000])
async def test_what_is_no_cookie_of_ours_opens_nothing(console: Console, cookie: str) -> None:
    await _sign_in(console())
    assert await console().find(cookie) is None


async def test_a_wrong_password_begins_nothing(console: Console, db: Database) -> None:
    with pytest.raises(Refused) as refused:
        await console().logins.start("ann", "another one", "", _BROWSER)
    assert refused.value.status == 401
    async with db.read() as session:
        assert (await session.execute(select(table))).all() == []


async def test_tokens_are_renewed_before_they_expire_and_kept(console: Console, world: World) -> None:
    sessions = console()
    cookie = await _sign_in(sessions)
    person = await _person(sessions, cookie)
    first = await person.access_token()
    world.clock.seconds += 290
    second = await person.access_token()
    assert second != first
    assert await (await _person(console(), cookie)).access_token() == second


async def test_two_consoles_renew_one_session_without_ending_it(console: Console, world: World) -> None:
    """The refresh token is good for one use: who comes second takes what the first was given."""
    one, other = console(), console()
    cookie = await _sign_in(one)
    mine, theirs = await _person(one, cookie), await _person(other, cookie)
    world.clock.seconds += 290
    assert await mine.access_token() == await theirs.access_token()


async def test_a_token_that_a_service_refuses_is_renewed_at_once(console: Console, world: World) -> None:
    person = await _person(sessions := console(), await _sign_in(sessions))
    first = await person.access_token()
    world.clock.seconds += 1
    assert await person.access_token(first) != first


async def test_a_session_ended_elsewhere_is_over_here(console: Console, world: World) -> None:
    sessions = console()
    person = await _person(sessions, await _sign_in(sessions))
    await person.catalog.post("/api/v1/sessions:sign-out-everywhere")
    with pytest.raises(SignedOut):
        await person.access_token(await person.access_token())


async def test_signing_out_ends_the_session_here_and_at_the_catalog(console: Console) -> None:
    sessions = console()
    ended: list[str] = []
    sessions.on_end.append(ended.append)
    cookie = await _sign_in(sessions)
    person = await _person(sessions, cookie)
    kept = person.kept
    await sessions.end(cookie)
    assert await sessions.find(cookie) is None
    assert ended == [person.digest]
    with pytest.raises(SignedOut):
        await sessions.logins.refresh(kept)


async def test_a_session_without_use_ends_and_is_forgotten(console: Console, world: World, db: Database) -> None:
    cookie = await _sign_in(console())
    world.clock.seconds += IDLE_S + 1
    sessions = console()
    assert await sessions.find(cookie) is None
    assert await sessions.sweep() == 1
    async with db.read() as session:
        assert (await session.execute(select(table))).all() == []


async def test_one_switches_the_tenant_and_stays_there(console: Console) -> None:
    sessions = console()
    cookie = await _sign_in(sessions)
    person = await _person(sessions, cookie)
    await person.switch_tenant("ten_other")
    assert (await person.me()).tenant_id == "ten_other"
    assert (await (await _person(console(), cookie)).me()).tenant_id == "ten_other"
    with pytest.raises(Refused):
        await person.switch_tenant("ten_nowhere")
    assert (await person.me()).tenant_id == "ten_other"


async def test_the_key_for_trying_models_is_made_once_and_goes_with_the_session(console: Console, world: World) -> None:
    sessions = console()
    cookie = await _sign_in(sessions)
    person = await _person(sessions, cookie)
    secret = await playground_key(person, world.clock)
    assert await playground_key(await _person(console(), cookie), world.clock) == secret
    keys = await person.catalog.items("/api/v1/api-keys")
    assert [one["name"] for one in keys] == [NAME]
    await sessions.end(cookie)
    again = await _person(sessions, await _sign_in(sessions))
    left = await again.catalog.items("/api/v1/api-keys")
    assert [one for one in left if not one["revoked_at"]] == []


async def test_a_key_that_somebody_revoked_is_made_anew(console: Console, world: World) -> None:
    sessions = console()
    person = await _person(sessions, await _sign_in(sessions))
    first = await playground_key(person, world.clock)
    kept: Kept = person.kept
    assert kept.playground_key is not None
    await person.catalog.delete(f"/api/v1/api-keys/{kept.playground_key.key_id}")
    person.cached.clear()
    assert await playground_key(person, world.clock) != first
