"""Idempotency-Key: whatever happens in between, the effect happens once and the answer is the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, Response
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.database import Database, WriteSession, idempotency_table
from roundhouse_common.errors import Conflict
from roundhouse_common.http import create_app
from roundhouse_common.http.idempotency import Idempotency, IdempotencyKey, KeyReused, idempotency_key, reply
from roundhouse_common.runtime import UnixTime
from tests.support.databases import database

METADATA = MetaData()
KEYS = idempotency_table(METADATA)
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("name", String(50)))

ADMIN = Subject(id="usr_admin", tenant_id="ten_1", roles=frozenset({Role.ADMINISTRATOR}))
OTHER = Subject(id="usr_other", tenant_id="ten_1", roles=frozenset({Role.ADMINISTRATOR}))
DAY_S = 24 * 3600


class Created(BaseModel):
    id: int
    name: str
    secret: str = "rh-shown-once"


class MovableClock:
    seconds = 1_800_000_000.0

    def now(self) -> UnixTime:
        return UnixTime(self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Workshop:
    """Makes things over an idempotent write."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = MovableClock()
        self.idempotency = Idempotency(db, KEYS, self.clock)
        self.calls = 0

    async def make(
        self, key: str | None, *, name: str = "a", subject: Subject = ADMIN, fails: Exception | None = None
    ) -> Response:
        async def work(session: WriteSession) -> Response:
            self.calls += 1
            made = await session.execute(insert(THINGS).values(name=name).returning(THINGS.c.id))
            if fails is not None:
                raise fails
            return reply(Created(id=made.scalar_one(), name=name), 201, {"etag": '"1"', "location": "/things/1"})

        whole = None if key is None else IdempotencyKey(value=key, fingerprint=name)
        return await self.idempotency.run(whole, subject, work, secret_fields=frozenset({"secret"}))

    async def count(self) -> int:
        async with self.db.read() as session:
            return await session.scalar(select(func.count()).select_from(THINGS)) or 0


@asynccontextmanager
async def workshop(url: str) -> AsyncIterator[Workshop]:
    async with database(url, METADATA) as db:
        yield Workshop(db)


async def test_same_key_replays_the_first_answer_without_doing_it_again(database_url: str) -> None:
    async with workshop(database_url) as shop:
        first, second = await shop.make("k"), await shop.make("k")
        assert await shop.count() == 1
    assert (second.status_code, second.headers["etag"], second.headers["location"]) == (201, '"1"', "/things/1")
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_secret_is_shown_once_and_never_stored(database_url: str) -> None:
    async with workshop(database_url) as shop:
        first, second = await shop.make("k"), await shop.make("k")
        async with shop.db.read() as session:
            stored = await session.scalar(select(KEYS.c.body))
    assert b"rh-shown-once" in bytes(first.body)
    assert bytes(second.body) == stored == b'{"id": 1, "name": "a"}'


async def test_without_a_key_every_request_counts(database_url: str) -> None:
    async with workshop(database_url) as shop:
        await shop.make(None)
        await shop.make(None)
        assert await shop.count() == 2


async def test_same_key_with_another_request_is_refused(database_url: str) -> None:
    async with workshop(database_url) as shop:
        await shop.make("k", name="a")
        with pytest.raises(KeyReused):
            await shop.make("k", name="b")
        assert await shop.count() == 1


async def test_keys_of_different_callers_have_nothing_to_do_with_each_other(database_url: str) -> None:
    async with workshop(database_url) as shop:
        await shop.make("k", subject=ADMIN)
        await shop.make("k", subject=OTHER, name="b")
        assert await shop.count() == 2


async def test_failed_request_leaves_no_effect_and_frees_the_key(database_url: str) -> None:
    async with workshop(database_url) as shop:
        with pytest.raises(Conflict):
            await shop.make("k", fails=Conflict("no"))
        assert await shop.count() == 0
        assert (await shop.make("k")).status_code == 201


async def test_crash_before_the_commit_leaves_neither_effect_nor_key(database_url: str) -> None:
    async with workshop(database_url) as shop:
        with pytest.raises(SystemExit):
            await _crash(shop)
        assert await shop.count() == 0
    async with Database(database_url, service="test") as db:
        again = Workshop(db)
        assert (await again.make("k")).status_code == 201
        assert await again.count() == 1


async def _crash(shop: Workshop) -> None:
    async def work(session: WriteSession) -> Response:
        await session.execute(insert(THINGS).values(name="a"))
        raise SystemExit

    await shop.idempotency.run(IdempotencyKey(value="k", fingerprint="a"), ADMIN, work)


async def test_twins_at_the_same_moment_happen_once_and_get_the_same_answer(database_url: str) -> None:
    async with workshop(database_url) as shop, Database(database_url, service="test") as other_process:
        elsewhere = Workshop(other_process)
        answers = await asyncio.gather(*(place.make("k") for place in (shop, elsewhere) for _ in range(4)))
        assert await shop.count() == 1
        assert shop.calls + elsewhere.calls == 1
    assert {answer.status_code for answer in answers} == {201}
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 7


async def test_key_is_forgotten_after_a_day_also_when_nobody_swept(database_url: str) -> None:
    async with workshop(database_url) as shop:
        await shop.make("k")
        shop.clock.seconds += DAY_S - 1
        assert "idempotent-replayed" in (await shop.make("k")).headers
        shop.clock.seconds += 2
        assert "idempotent-replayed" not in (await shop.make("k")).headers
        assert await shop.count() == 2


async def test_sweep_removes_old_keys_only(database_url: str) -> None:
    async with workshop(database_url) as shop:
        await shop.make("old")
        shop.clock.seconds += DAY_S + 1
        await shop.make("new")
        assert await shop.idempotency.sweep() == 1
        async with shop.db.read() as session:
            assert (await session.scalars(select(KEYS.c.key))).all() == ["new"]


async def test_over_http_the_digest_covers_method_path_query_and_body(database_url: str) -> None:
    async with workshop(database_url) as shop, _rest(shop) as client:

        async def post(path: str, body: str) -> int:
            return (await client.post(path, content=body, headers={"idempotency-key": "k"})).status_code

        assert await post("/things", '{"name": "a"}') == 201
        assert await post("/things", '{"name": "a"}') == 201
        assert await post("/things", '{"name": "b"}') == 422
        assert await post("/things?x=1", '{"name": "a"}') == 422
        assert await post("/others", '{"name": "a"}') == 422
        assert await shop.count() == 1


@asynccontextmanager
async def _rest(shop: Workshop) -> AsyncIterator[httpx.AsyncClient]:
    class NewThing(BaseModel):
        name: str

    app = create_app("Example", "1", TokenVerifier(generate_keypair()[1], clock=shop.clock))

    @app.post("/{kind}")
    async def make(
        kind: str, thing: NewThing, key: Annotated[IdempotencyKey | None, Depends(idempotency_key)]
    ) -> Response:
        async def work(session: WriteSession) -> Response:
            await session.execute(insert(THINGS).values(name=thing.name))
            return reply(thing, 201)

        return await shop.idempotency.run(key, ADMIN, work)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://service", headers={"content-type": "application/json"}
    ) as client:
        yield client
