"""Migrating gives exactly the tables that the code declares, and keeps what an earlier release wrote."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from roundhouse_catalog import migrations
from roundhouse_catalog.domain.routes import RouteSettings, route_record
from roundhouse_catalog.store import tables, tenants
from roundhouse_catalog.store.audit import record
from roundhouse_catalog.store.deployments import all_deployments
from roundhouse_catalog.store.identity_tables import memberships, users
from roundhouse_catalog.store.keys import all_keys
from roundhouse_catalog.store.models import find_model
from roundhouse_catalog.store.routes import all_routes, insert_route
from roundhouse_catalog.store.tables import metadata
from roundhouse_common.contracts.catalog import Rollout
from roundhouse_common.contracts.identity import AuditRecord, Quota
from roundhouse_common.contracts.routing import Access, RouteTarget
from roundhouse_common.database import Database, WriteSession
from tests.support.databases import schema_differences

pytestmark = pytest.mark.usefixtures("migrations_here")


async def test_migrations_make_the_declared_schema(database_url: str) -> None:
    async with Database(database_url, service="catalog") as db:
        await db.migrate("roundhouse_catalog.migrations")
    assert await schema_differences(database_url, metadata, service="catalog") == []


async def test_migrating_and_seeding_again_changes_nothing(database_url: str) -> None:
    async with Database(database_url, service="catalog") as db:
        for now in (1.0, 2.0):
            await db.migrate("roundhouse_catalog.migrations")
            async with db.write() as session:
                await tenants.seed(session, now=now)  # type: ignore[arg-type]  # a plain number reads better here
        async with db.write() as session:
            rows = (await session.execute(text("SELECT id, created_at FROM users"))).all()
    assert [tuple(row) for row in rows] == [("usr_admin", 1.0)]


def earlier_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, until: str) -> str:
    """Make a package of the migrations as they were in an earlier release, and return its name."""
    ours = Path(next(iter(migrations.__path__)))
    package = tmp_path / "earlier_catalog_migrations"
    shutil.copytree(ours, package)
    for file in (package / "versions").glob("*.py"):
        if file.name[:4] > until:
            file.unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    return package.name


_DOCUMENTS = {"tags", "spec", "facts", "roles"}


async def insert(session: WriteSession, table: str, **values: object) -> None:
    columns = ", ".join(values)
    document = "jsonb" if session.dialect == "postgresql" else "text"
    places = ", ".join(f"CAST(:{name} AS {document})" if name in _DOCUMENTS else f":{name}" for name in values)
    await session.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})").bindparams(**values))


async def seed_earlier(session: WriteSession) -> None:
    """Write the tenant and its administrator as releases up to 0005 did at their first start."""
    await insert(session, "tenants", id="ten_default", name="default", created_at=1.0)
    await insert(
        session, "users", id="usr_admin", tenant_id="ten_default", name="admin", roles='["administrator"]',
        created_at=1.0,
    )  # fmt: skip


async def fill(session: WriteSession, *, numbers: int) -> None:
    """Write a deployment as the release before would: so many versions, of which the newest is the active one."""
    await insert(
        session, "models", id="mdl_1", tenant_id="ten_default", name="smol", kind="chat", source_kind="path",
        source_uri="/models/smol.gguf", context_length=0, licence="", tags="[]", memory_bytes=5, is_published=True,
        generation=1, created_at=1.0, updated_at=1.0,
    )  # fmt: skip
    await insert(
        session, "deployments", id="dep_1", tenant_id="ten_default", name="smol", desired="run", replicas=2,
        generation=7, active_number=numbers, disconnect_grace_s=60.0, drain_timeout_s=5.0, created_at=1.0,
        created_by="user:a", updated_at=2.0, updated_by="user:b",
    )  # fmt: skip
    spec = {
        "model_id": "mdl_1",
        "model_name": "smol",
        "model_kind": "chat",
        "source": {"kind": "path", "uri": "/models/smol.gguf"},
        "context_length": 0,
        "engine": "llama.cpp",
        "parameters": {},
        "resources": {"memory_bytes": 5, "cpu_millis": 0, "device_count": 0},
        "placement": {"node_labels": {}, "region": "", "device_vendor": ""},
    }
    for number in range(1, numbers + 1):
        written = json.dumps({**spec, "version_id": f"ver_{number}", "number": number})
        await insert(
            session, "versions", id=f"ver_{number}", deployment_id="dep_1", number=number, model_id="mdl_1",
            spec=written, created_at=1.0, created_by="user:a",
        )  # fmt: skip


async def test_routes_of_the_last_release_lead_where_they_led(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = earlier_migrations(tmp_path, monkeypatch, until="0003")
    route = {"tenant_id": "ten_default", "model_kind": "chat", "created_at": 3.0}
    async with Database(database_url, service="catalog") as db:
        await db.migrate(earlier)
        async with db.write() as session:
            await seed_earlier(session)
            for number, is_deleted in ((1, True), (2, False)):
                await insert(
                    session, "deployments", id=f"dep_{number}", tenant_id="ten_default", name=f"smol-{is_deleted}",
                    desired="run", replicas=1, generation=1, active_number=1, disconnect_grace_s=60.0,
                    drain_timeout_s=5.0, created_at=1.0, created_by="user:a", updated_at=2.0, updated_by="user:b",
                )  # fmt: skip
                name, led_to = "smol", f"dep_{number}"
                await insert(
                    session, "routes", id=f"rte_{number}", name=name, deployment_id=led_to, is_deleted=is_deleted,
                    **route,
                )  # fmt: skip
        await db.migrate("roundhouse_catalog.migrations")
        async with db.write() as session:
            gone, kept = sorted(await all_routes(session), key=lambda one: one.route_id)
            await insert_route(session, replace(kept, route_id="rte_3", name="x", tenant_id="", deployment_id=""))
            await insert_route(session, replace(kept, route_id="rte_4", name="y", deployment_id=""))
            await session.execute(text("DELETE FROM routes WHERE id = 'rte_1'"))
            await insert(session, "routes", id="rte_1", name="z", deployment_id="dep_1", is_deleted=False, **route)
        async with db.read() as session:
            found = {one.route_id: one for one in await all_routes(session)}
        assert (len(found), found["rte_1"].targets) == (4, (RouteTarget(deployment_id="dep_1"),))
    assert (gone.is_deleted, kept.is_deleted, kept.generation, kept.settings) == (True, False, 1, RouteSettings())
    assert (kept.targets, kept.deployment_id) == ((RouteTarget(deployment_id="dep_2"),), "dep_2")
    assert (kept.created_by, kept.updated_by, kept.updated_at, kept.alias_of) == ("user:a", "user:a", 3.0, "")
    assert await schema_differences(database_url, metadata, service="catalog") == []


async def test_models_of_the_last_release_are_kept_with_their_facts(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = earlier_migrations(tmp_path, monkeypatch, until="0002")
    async with Database(database_url, service="catalog") as db:
        await db.migrate(earlier)
        async with db.write() as session:
            await seed_earlier(session)
            await insert(
                session, "models", id="mdl_1", tenant_id="ten_default", name="smol", kind="chat", source_kind="path",
                source_uri="/models/smol.gguf", context_length=0, licence="", tags="[]", memory_bytes=5,
                is_published=True, generation=3, created_at=1.0, updated_at=1.0,
                facts='{"format": "gguf", "architecture": "llama", "weight_bytes": 7}',
            )  # fmt: skip
        await db.migrate("roundhouse_catalog.migrations")
        async with db.read() as session:
            model = await find_model(session, "ten_default", "mdl_1")
    assert model is not None
    assert model.facts is not None
    assert (model.generation, model.facts.weight_bytes, model.source.patterns) == (3, 7, ())
    assert await schema_differences(database_url, metadata, service="catalog") == []


async def test_what_an_earlier_release_wrote_is_kept_and_completed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = earlier_migrations(tmp_path, monkeypatch, until="0001")
    async with Database(database_url, service="catalog") as db:
        await db.migrate(earlier)
        async with db.write() as session:
            await seed_earlier(session)
            await fill(session, numbers=3)
        await db.migrate("roundhouse_catalog.migrations")
        async with db.read() as session:
            [deployment] = await all_deployments(session)
            model = await find_model(session, "ten_default", "mdl_1")
        settings = deployment.settings
        assert (deployment.generation, deployment.version.spec.number, settings.drain_timeout_s) == (7, 3, 5.0)
        assert (deployment.last_number, deployment.previous_number, deployment.failed_numbers) == (3, 2, ())
        assert (settings.rollout, settings.autoscale, settings.failure_budget) == (Rollout(), None, 10)
        assert (deployment.is_paused, settings.is_evictable, settings.wake_timeout_s) == (False, False, 300.0)
        assert settings.access is Access.TENANT, "only new deployments are private"
        assert model is not None
        assert (model.facts, model.defaults, model.resolved_revision) == (None, None, "")
        assert (model.source.revision, model.source.patterns, model.source.sha256) == ("", (), "")
        assert (model.total_bytes, model.file_count) == (0, 0)
    assert await schema_differences(database_url, metadata, service="catalog") == []


async def test_people_of_the_last_release_are_members_where_they_were(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = earlier_migrations(tmp_path, monkeypatch, until="0005")
    async with Database(database_url, service="catalog") as db:
        await db.migrate(earlier)
        async with db.write() as session:
            await seed_earlier(session)
            await insert(session, "tenants", id="ten_2", name="other", created_at=2.0)
            for number, name in ((2, "ann"), (3, "admin")):
                await insert(
                    session, "users", id=f"usr_{number}", tenant_id="ten_2", name=name, roles='["viewer"]',
                    created_at=float(number),
                )  # fmt: skip
        await db.migrate("roundhouse_catalog.migrations")
        async with db.write() as session:
            await tenants.seed(session, now=9.0)  # type: ignore[arg-type]  # a plain number reads better here
            names = (await session.execute(select(users.c.id, users.c.name, users.c.platform_roles))).all()
            places = await session.execute(select(memberships.c.user_id, memberships.c.tenant_id, memberships.c.roles))
            members = {tuple(row) for row in places}
            policies = await session.execute(select(tables.tenants.c.quota, tables.tenants.c.is_suspended))
            assert {tuple(row) for row in policies} == {(Quota(), False)}
    assert {tuple(row) for row in names} == {
        ("usr_admin", "admin", ("administrator",)),
        ("usr_2", "ann", ()),
        ("usr_3", "usr_3", ()),  # two of them had the name that people log in with now
    }
    assert members == {
        ("usr_admin", "ten_default", ("administrator",)),
        ("usr_2", "ten_2", ("viewer",)),
        ("usr_3", "ten_2", ("viewer",)),
    }
    assert await schema_differences(database_url, metadata, service="catalog") == []


@pytest.mark.contract("B10")
async def test_what_works_today_goes_on_working(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = earlier_migrations(tmp_path, monkeypatch, until="0006")
    async with Database(database_url, service="catalog") as db:
        await db.migrate(earlier)
        async with db.write() as session:
            await insert(
                session, "tenants", id="ten_default", name="default", created_at=1.0, is_suspended=False, updated_at=1.0
            )  # fmt: skip
            await session.execute(
                text(
                    "INSERT INTO api_keys (id, tenant_id, user_id, name, prefix, last_four, sha256, deployment_ids, "
                    "expires_at, created_at, revoked_at) VALUES ('key_1', 'ten_default', 'usr_admin', 'k', 'rh-', "
                    "'abcd', 'ff', '[]', 0, 1, 0)"
                )
            )
            await session.execute(
                text(
                    "INSERT INTO routes (id, tenant_id, name, model_kind, created_at, is_deleted, targets, alias_of, "
                    "settings, generation, created_by, updated_at, updated_by) VALUES ('rte_1', 'ten_default', 'chat', "
                    "'chat', 1, false, '[]', '', '{}', 1, 'user:usr_a', 1, 'user:usr_a')"
                )
            )
        await db.migrate("roundhouse_catalog.migrations")
        async with db.write() as session:
            [key] = await all_keys(session)
            [route] = [route_record(one) for one in await all_routes(session)]
            entry = AuditRecord(record_id="aud_1", at=1.0, service="catalog", actor="a", tenant_id="", action="x")
            await record(session, entry)
    assert (key.models, key.ip_ranges, key.previous_sha256, key.generation) == ((), (), "", 1)
    assert (route.access, route.owner_id) == (Access.TENANT, "usr_a")
