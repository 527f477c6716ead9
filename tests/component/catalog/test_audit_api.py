"""The audit: every write and every refusal is in it, with what changed, and nothing can be taken out unseen."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from roundhouse_catalog.domain.audit_chain import hash_of
from roundhouse_catalog.store.audit import record
from roundhouse_common.auth import Role, Subject
from roundhouse_common.contracts.identity import AuditRecord
from tests.component.catalog.world import API, World


async def entries(world: World, **filters: Any) -> list[dict[str, Any]]:
    answer = await world.get("/audit", limit=200, **filters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def verified(world: World, **params: Any) -> dict[str, Any]:
    answer = await world.get("/audit:verify", **params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def a_record(record_id: str) -> AuditRecord:
    return AuditRecord(
        record_id=record_id, at=1.0, service="metering", actor="user:x", tenant_id="ten_x", action="budget.add"
    )


@pytest.mark.contract("E05")
async def test_a_change_is_entered_with_who_where_and_what(world: World) -> None:
    await world.model()
    deployment = await world.deployment()
    path = f"{API}/deployments/{deployment['id']}"
    answer = await world.http.patch(
        path, json={"replicas": 3}, headers={"if-match": "*", "user-agent": "a test/1", "x-forwarded-for": "6.6.6.6"}
    )
    [scaled] = await entries(world, action="deployment.change")
    assert scaled["change"] == {"replicas": [1, 3]}
    assert (scaled["actor"], scaled["tenant_id"], scaled["outcome"]) == ("user:usr_test", "ten_default", "done")
    assert (scaled["object_kind"], scaled["object_id"], scaled["object_name"]) == (
        "deployment",
        deployment["id"],
        "smol-a",
    )
    assert (scaled["user_agent"], scaled["client_address"]) == ("a test/1", "127.0.0.1")
    assert scaled["request_id"] == answer.headers["x-request-id"]
    assert [one["action"] for one in await entries(world)] == ["deployment.change", "deployment.create", "model.add"]
    assert [one["action"] for one in await entries(world, action="deployment.")] == [
        "deployment.change",
        "deployment.create",
    ]


async def test_what_changes_nothing_is_no_entry_and_neither_is_a_replay(world: World) -> None:
    await world.model()
    deployment = await world.deployment()
    before = await entries(world)
    assert (await world.patch(f"/deployments/{deployment['id']}", {"replicas": 1})).status_code == 200
    assert (await world.post(f"/deployments/{deployment['id']}:start")).status_code == 200
    for _ in range(2):
        await world.post("/api-keys", {"name": "once"}, idempotency_key="k")
    now = await entries(world)
    assert [one["action"] for one in now[: len(now) - len(before)]] == ["api-key.create"]


@pytest.mark.contract("E05")
async def test_no_secret_is_in_the_audit(world: World) -> None:
    made = (await world.post("/api-keys", {"name": "laptop"})).json()
    rotated = (await world.post(f"/api-keys/{made['id']}:rotate", {"overlap_s": 60})).json()
    provider = {
        "name": "out",
        "format": "openai",
        "base_url": "https://api.example.com/v1",
        "keys": [{"name": "main", "secret": "sk-very-secret-thing"}],
    }
    assert (await world.post("/providers", provider)).status_code == 201
    kept = json.dumps(await entries(world))
    for secret in (made["secret"], rotated["secret"], "sk-very-secret-thing"):
        assert secret not in kept
    assert "laptop" in kept


async def test_refusals_are_entered_a_few_times_a_minute(world: World) -> None:
    viewer = {"authorization": f"Bearer {world.token(Role.VIEWER)}"}
    for _ in range(15):
        assert (await world.http.post(f"{API}/models", json={}, headers=viewer)).status_code == 403
    assert (await world.http.get(f"{API}/models", headers={"authorization": "Bearer no"})).status_code == 401
    refused = await entries(world, outcome="refused")
    assert len([one for one in refused if one["actor"] == "user:usr_test"]) == 10
    assert (refused[-1]["action"], refused[-1]["reason"]) == ("model.add", "forbidden")
    [anonymous] = await entries(world, actor="anonymous")
    assert (anonymous["tenant_id"], anonymous["reason"]) == ("", "unauthenticated")
    world.clock.seconds += 61
    await world.http.post(f"{API}/models", json={}, headers=viewer)
    assert len(await entries(world, outcome="refused")) == len(refused) + 1


@pytest.mark.contract("E05")
async def test_tenants_see_their_own_entries_and_a_plain_user_none(world: World) -> None:
    await world.model()
    async with world.db.write() as session:
        await record(
            session,
            AuditRecord(
                record_id="aud_x", at=1.0, service="metering", actor="user:x", tenant_id="ten_x", action="budget.add"
            ),
        )
    assert {one["tenant_id"] for one in await entries(world)} == {"ten_default", "ten_x"}
    assert [one["record_id"] for one in await entries(world, tenant_id="ten_x")] == ["aud_x"]
    subject = Subject(id="usr_t", tenant_id="ten_default", roles=frozenset([Role.ADMINISTRATOR]))
    own = {"authorization": f"Bearer {world.signer.sign(subject, 60)}"}
    seen = (await world.http.get(f"{API}/audit?tenant_id=ten_x", headers=own)).json()["items"]
    assert {one["tenant_id"] for one in seen} == {"ten_default"}
    lines = (await world.http.get(f"{API}/audit:export", headers=own)).text.splitlines()
    assert {json.loads(line)["tenant_id"] for line in lines} == {"ten_default"}
    assert (await world.http.get(f"{API}/audit:verify", headers=own)).status_code == 403
    plain = {"authorization": f"Bearer {world.token(Role.USER)}"}
    assert (await world.http.get(f"{API}/audit", headers=plain)).status_code == 403


async def test_pages_and_times(world: World) -> None:
    for number in range(5):
        world.clock.seconds += 10
        await world.post("/api-keys", {"name": f"n{number}"})
    first = (await world.get("/audit", limit=2)).json()
    second = (await world.get("/audit", limit=2, cursor=first["next_cursor"])).json()
    assert [one["object_name"] for one in first["items"] + second["items"]] == ["n4", "n3", "n2", "n1"]
    moment = datetime.fromtimestamp(world.clock.seconds - 15, UTC).isoformat()
    assert [one["object_name"] for one in await entries(world, since=moment)] == ["n4", "n3"]
    assert len(await entries(world, until=moment)) == 3


async def test_an_export_is_whole_and_safe_to_open_in_a_spreadsheet(world: World) -> None:
    await world.post("/api-keys", {"name": "=1+1"})
    await world.post("/api-keys", {"name": "two"})
    exported = await world.get("/audit:export")
    assert exported.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line)["object_name"] for line in exported.text.splitlines()] == ["=1+1", "two"]
    rows = list(csv.DictReader(io.StringIO((await world.get("/audit:export", format="csv")).text)))
    assert [row["object_name"] for row in rows] == ["'=1+1", "two"]
    assert json.loads(rows[1]["change"])["name"] == [None, "two"]


@pytest.mark.contract("E05")
async def test_the_database_refuses_to_change_or_delete_entries(world: World) -> None:
    await world.model()
    async with world.db.write() as session:
        await session.execute(text("INSERT INTO audit_seals VALUES (0, '', 0, '')"))
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "DELETE FROM audit_seals"):
        with pytest.raises(DBAPIError, match="append-only"):
            await execute(world, statement)
    assert len(await entries(world)) == 1


async def execute(world: World, statement: str) -> None:
    async with world.db.write() as session:
        await session.execute(text(statement))


async def dropped(world: World) -> None:
    """Do what whoever owns the database can do."""
    on = " ON audit" if world.db.dialect == "postgresql" else ""
    names = ("audit_keeps",) if on else ("audit_keeps", "audit_keeps_rows")
    async with world.db.write() as session:
        for name in names:
            await session.execute(text(f"DROP TRIGGER {name}{on}"))


@pytest.mark.contract("E05")
@pytest.mark.parametrize(
    ("statement", "broken_at", "why"),
    [
        ("UPDATE audit SET record = replace(record, 'n1', 'nx') WHERE sequence = 2", 2, "changed"),
        ("DELETE FROM audit WHERE sequence = 3", 3, "missing"),
        ("UPDATE audit SET actor = 'user:x' WHERE sequence = 2", 2, "column"),
    ],
)
async def test_a_walk_over_the_chain_tells_what_was_tampered_with(
    world: World, statement: str, broken_at: int, why: str
) -> None:
    for number in range(4):
        await world.post("/api-keys", {"name": f"n{number}"})
    whole = await verified(world)
    assert (whole["is_whole"], whole["checked"], whole["head"]["sequence"]) == (True, 4, 4)
    await dropped(world)
    async with world.db.write() as session:
        await session.execute(text(statement))
    found = await verified(world)
    assert (found["is_whole"], found["broken_at"], found["head"]) == (False, broken_at, None)
    assert why in found["why"]


async def test_a_head_that_was_kept_shows_what_was_cut_off_or_written_anew(world: World) -> None:
    for number in range(3):
        await world.post("/api-keys", {"name": f"n{number}"})
    head = (await world.get("/audit:head")).json()
    anchor = f"{head['sequence']}:{head['hash']}"
    assert (await verified(world, anchor=anchor))["is_whole"]
    await dropped(world)
    async with world.db.write() as session:
        [last] = (await session.execute(text("SELECT * FROM audit WHERE sequence = 3"))).all()
        other = last.record.replace("n2", "nx")
        anew = hash_of(3, last.previous_hash, other)
        change = text("UPDATE audit SET record = :record, hash = :hash WHERE sequence = 3")
        await session.execute(change.bindparams(record=other, hash=anew))
    assert (await verified(world))["is_whole"], "the end can be written anew by whoever owns the database"
    found = await verified(world, anchor=anchor)
    assert (found["is_whole"], found["broken_at"]) == (False, 3)
    async with world.db.write() as session:
        await session.execute(text("DELETE FROM audit WHERE sequence = 3"))
    assert "which was there" in (await verified(world, anchor=anchor))["why"]
    assert (await world.get("/audit:verify", anchor="3")).status_code == 422


async def test_old_entries_are_sealed_and_the_chain_goes_on(world: World) -> None:
    for number in range(5):
        world.clock.seconds += 10
        await world.post("/api-keys", {"name": f"n{number}"})
    anchor = await world.get("/audit:head")
    moment = datetime.fromtimestamp(world.clock.seconds - 15, UTC).isoformat()
    sealed = (await world.post("/audit:seal", {"before": moment})).json()
    assert (sealed["removed"], sealed["sealed"]["sequence"]) == (3, 3)
    assert [one["action"] for one in await entries(world)] == ["audit.seal", "api-key.create", "api-key.create"]
    kept = f"{anchor.json()['sequence']}:{anchor.json()['hash']}"
    found = await verified(world, anchor=kept)
    assert (found["is_whole"], found["checked"], found["sealed"]["sequence"]) == (True, 3, 3)
    assert (await world.post("/audit:seal", {"before": moment})).json()["removed"] == 0
    with pytest.raises(DBAPIError, match="append-only"):
        await execute(world, "DELETE FROM audit WHERE sequence = 4")


async def test_an_entry_that_comes_twice_is_entered_once(world: World) -> None:
    again = AuditRecord(
        record_id="aud_1", at=1.0, service="scheduler", actor="user:x", tenant_id="t", action="node.drain"
    )
    for _ in range(2):
        async with world.db.write() as session:
            await record(session, again)
    assert (await verified(world))["checked"] == 1
