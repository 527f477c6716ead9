"""What people left is deleted once the catalog has deleted them, on both databases."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
import pytest_asyncio

from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemIds
from roundhouse_console.clients.conversations import Conversations
from roundhouse_console.clients.leavers import sweep_leavers
from roundhouse_console.clients.rest import Rest
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.conversations import Conversation, Turn
from roundhouse_console.domain.errors import SignedOut
from roundhouse_console.store import preferences
from roundhouse_console.store.conversations import Owner
from tests.support.databases import Migrate
from tests.support.metering_api import CLOCK

pytestmark = pytest.mark.contract("G05")

_ALL = ("tenants:read", "members:read")


class Directory:
    """The catalog's people: `listed` ones, and those that only asking for them by id finds."""

    def __init__(self, *listed: str, hidden: tuple[str, ...] = (), is_away: bool = False) -> None:
        self.listed = listed
        self.hidden = hidden
        self.is_away = is_away

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            return httpx.Response(503, json={"detail": "starting", "code": "starting"})
        if request.url.path == "/api/v1/users":
            return httpx.Response(200, json={"items": [{"id": one} for one in self.listed], "next_cursor": None})
        one = request.url.path.rpartition("/")[2]
        if one in (*self.listed, *self.hidden):
            return httpx.Response(200, json={"id": one})
        return httpx.Response(404, json={"detail": "There is no such user.", "code": "user_not_found"})


def at_work(
    directory: Directory, *actions: str, is_signed_out: bool = False, later: Sequence[str] | None = None
) -> SignedIn:
    """Somebody who may do these things; `later`, where given, is what they may do from the second question on."""
    asked = 0

    async def token(_refused: str) -> str:
        return "token"

    async def me(*, is_fresh: bool) -> SimpleNamespace:
        nonlocal asked
        asked += is_fresh
        if is_signed_out:
            raise SignedOut
        permitted = actions if later is None or asked == 1 else later
        return SimpleNamespace(may=lambda action: action in permitted)

    http = httpx.AsyncClient(transport=httpx.MockTransport(directory))
    catalog = Rest(http, "catalog", "http://catalog", token=token, ids=SystemIds())
    return cast("SignedIn", SimpleNamespace(me=me, catalog=catalog))


@pytest_asyncio.fixture
async def db(database_url: str, migrated: Migrate) -> AsyncIterator[Database]:
    """A console where two people keep conversations, one of them in two tenants, and a third a preference."""
    await migrated(database_url, "console")
    async with Database(database_url, service="console") as made:
        for user, tenant in (("usr_a", "ten_1"), ("usr_b", "ten_1"), ("usr_b", "ten_2")):
            await _of(made, user, tenant).keep(None, Conversation(turns=[Turn(id="t1", text="Hello", replies={})]))
        async with made.write() as session:
            await preferences.keep(session, "usr_c", "welcome", "seen")
        yield made


def _of(db: Database, user: str, tenant: str = "ten_1") -> Conversations:
    return Conversations(db, lambda: Owner(user, tenant), clock=CLOCK, ids=SystemIds())


async def _left(db: Database) -> tuple[int, int, int]:
    """Return how many conversations of either person there are, and preferences of the third."""
    a, b = len(await _of(db, "usr_a").listed()), len(await _of(db, "usr_b").listed())
    b += len(await _of(db, "usr_b", "ten_2").listed())
    async with db.read() as session:
        return a, b, len(await preferences.all_of(session, "usr_c"))


async def test_what_a_deleted_person_left_is_deleted_in_every_tenant(db: Database) -> None:
    admin = at_work(Directory("usr_a", "usr_c"), *_ALL)
    assert await sweep_leavers(db, [admin]) == 1
    assert await _left(db) == (1, 0, 1)
    assert await sweep_leavers(db, [admin]) == 0


async def test_preferences_go_too(db: Database) -> None:
    assert await sweep_leavers(db, [at_work(Directory("usr_a", "usr_b"), *_ALL)]) == 1
    assert await _left(db) == (1, 2, 0)


async def test_who_is_only_missing_in_the_list_keeps_everything(db: Database) -> None:
    admin = at_work(Directory("usr_a", hidden=("usr_b", "usr_c")), *_ALL)
    assert await sweep_leavers(db, [admin]) == 0
    assert await _left(db) == (1, 2, 1)


async def test_nobody_is_forgotten_without_somebody_who_sees_everybody(db: Database) -> None:
    signed_out = at_work(Directory(), *_ALL, is_signed_out=True)
    away = at_work(Directory(is_away=True), *_ALL)
    assert await sweep_leavers(db, []) == 0
    assert await sweep_leavers(db, [signed_out, at_work(Directory(), "members:read")]) == 0
    assert await sweep_leavers(db, [signed_out, away]) == 0
    assert await _left(db) == (1, 2, 1)


async def test_who_no_longer_sees_everybody_deletes_nothing(db: Database) -> None:
    """Without the right the catalog hides people of other tenants, as if they were gone."""
    assert await sweep_leavers(db, [at_work(Directory(), *_ALL, later=("members:read",))]) == 0
    assert await _left(db) == (1, 2, 1)
