"""Usage for those who hold a role in a project only: theirs is shown, exported and charted, and nothing else."""

import random
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from roundhouse_common.auth import Role, Subject
from roundhouse_common.bus.api import Delivery
from roundhouse_common.contracts.scheduler import Phase
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.bus.replicas import ReplicaRecorder
from roundhouse_metering.loops.usage_rollups import UsageRollups
from roundhouse_metering.store.ledger import enter
from tests.support.metering import transition
from tests.support.metering_api import CLOCK, Caller
from tests.support.usage import NOON, UsageRecords

pytestmark = pytest.mark.contract("E02", "E03")

RANGE = {"since": "2026-11-21T12:00:00Z", "until": "2026-11-21T13:00:00Z"}


def member(role: Role, *, project: str = "prj_1", user: str = "usr_1") -> Subject:
    in_projects = MappingProxyType({project: frozenset({role})})
    return Subject(id=user, tenant_id="ten_default", project_roles=in_projects)


@pytest_asyncio.fixture
async def filled(caller: Caller, ledger_db: Database) -> Caller:
    """Requests of two people in a project, and of one of them outside of it; of another tenant, too."""
    one = UsageRecords()
    records = [
        one.next(admitted_at=NOON, project_id="prj_1", user_id="usr_1", key_id="key_1"),
        one.next(admitted_at=NOON + 1, project_id="prj_1", user_id="usr_2", key_id="key_2"),
        one.next(admitted_at=NOON + 2, project_id="prj_2", user_id="usr_1", key_id="key_3"),
        one.next(admitted_at=NOON + 3, user_id="usr_1", key_id="key_4"),
        one.next(admitted_at=NOON + 4, project_id="prj_1", tenant_id="ten_2", user_id="usr_1"),
    ]
    async with ledger_db.write() as session:
        await enter(session, records, recorded_at=NOON, prices=PriceTable())
    return caller


async def ask(caller: Caller, path: str, query: dict[str, str], subject: Subject) -> Any:  # Any: JSON
    answer = await caller.get(path, query, subject=subject)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def keys_shown(caller: Caller, subject: Subject, **query: str) -> list[str]:
    found = await ask(caller, "/usage", {**RANGE, "by": "key", **query}, subject)
    records = await ask(caller, "/usage/records", {**RANGE, **query}, subject)
    shown = sorted(item["key_id"] for item in records["items"])
    assert sorted(item["key"] for item in found["items"]) == shown, "sums and records disagree"
    return shown


async def test_who_may_read_a_projects_usage_sees_all_of_it_and_nothing_beside_it(filled: Caller) -> None:
    viewer = member(Role.VIEWER)
    assert await keys_shown(filled, viewer) == ["key_1", "key_2"]
    assert await keys_shown(filled, viewer, project="prj_1") == ["key_1", "key_2"]
    assert await keys_shown(filled, viewer, user="usr_2") == ["key_2"]
    assert await keys_shown(filled, viewer, project="prj_2") == []
    assert await keys_shown(filled, viewer, user="usr_1") == ["key_1"]


async def test_who_may_see_their_own_in_a_project_sees_that_only(filled: Caller) -> None:
    user = member(Role.USER)
    assert await keys_shown(filled, user) == ["key_1"]
    assert await keys_shown(filled, user, project="prj_2") == []
    refused = await filled.get("/usage", {**RANGE, "user": "usr_2"}, subject=user)
    assert refused.status_code == 403


async def test_charts_and_openais_shape_are_cut_too(filled: Caller) -> None:
    found = await ask(filled, "/usage/chart", {**RANGE, "bucket": "15m", "compare": "true"}, member(Role.FINANCE))
    assert (found["totals"]["requests"], found["previous_totals"]["requests"]) == (2, 0)
    headers = filled.headers(member(Role.FINANCE))
    path = f"/v1/organization/usage/completions?start_time={int(NOON)}&end_time={int(NOON) + 3600}&bucket_width=1h"
    answer = await filled.http.get(path, headers=headers)
    (bucket,) = answer.json()["data"]
    assert [row["num_model_requests"] for row in bucket["results"]] == [2]


async def test_an_export_needs_the_role_in_the_project_that_it_takes_from(filled: Caller) -> None:
    taken = await filled.get("/usage/records.csv", RANGE, subject=member(Role.FINANCE))
    assert (taken.status_code, len(taken.text.splitlines())) == (200, 1 + 2)
    assert (await filled.get("/usage/records.csv", RANGE, subject=member(Role.VIEWER))).status_code == 403
    mixed = Subject(
        id="usr_1",
        tenant_id="ten_default",
        project_roles=MappingProxyType({"prj_1": frozenset({Role.VIEWER}), "prj_2": frozenset({Role.FINANCE})}),
    )
    assert await keys_shown(filled, mixed) == ["key_1", "key_2", "key_3"]
    taken = await filled.get("/usage/records.csv", RANGE, subject=mixed)
    assert len(taken.text.splitlines()) == 1 + 1


async def test_replicas_time_and_curves_are_cut_to_the_projects_of_a_member(
    caller: Caller, ledger_db: Database
) -> None:
    recorder = ReplicaRecorder(ledger_db, registry=CollectorRegistry())
    for number, project_id in enumerate(("prj_1", "prj_2", ""), start=1):
        started = transition(
            CLOCK.now() - 60,
            Phase.PENDING,
            Phase.READY,
            replica_id=f"rep_{number}",
            deployment_id=f"dep_{number}",
            project_id=project_id,
            event_id=f"evt_{number}",
        )
        delivery = Delivery(message=started, event_id=f"evt_{number}", subject="", stream_sequence=1, deliveries=1)
        await recorder([delivery])
    for path in ("/replica-usage", "/replica-costs"):
        found = await ask(caller, path, {}, member(Role.FINANCE))
        assert [item["key"] for item in found["items"]] == ["dep_1"], path
        assert (await caller.get(path, subject=member(Role.USER))).status_code == 403
        other = await ask(caller, path, {"deployment_id": "dep_2"}, member(Role.FINANCE))
        assert other["items"] == []
        by_project = await ask(caller, path, {"by": "project"}, member(Role.FINANCE))
        assert [item["key"] for item in by_project["items"]] == ["prj_1"]
        everybody = Subject(id="usr_1", tenant_id="ten_default", roles=frozenset({Role.FINANCE}))
        every = await ask(caller, path, {"by": "project"}, everybody)
        assert [item["key"] for item in every["items"]] == ["", "prj_1", "prj_2"]


async def make_budget(caller: Caller, subject: Subject | None = None, **fields: Any) -> Any:  # Any: an answer of httpx
    wanted = {"name": "b", "scope": "project", "scope_id": "prj_1", "amount": 10, "webhook_url": "https://hooks.test/s"}
    return await caller.send("POST", "/budgets", {**wanted, **fields}, subject=subject)


async def budgets_seen(caller: Caller, subject: Subject, **query: str) -> list[tuple[str, str, str]]:
    answer = await caller.get("/budgets", query, subject=subject)
    assert answer.status_code == 200, answer.text
    return [(item["scope"], item["scope_id"], item["webhook_url"]) for item in answer.json()["items"]]


@pytest.mark.contract("F05", "B11")
async def test_budgets_are_shown_to_whom_they_bind_and_by_key(filled: Caller, ledger_db: Database) -> None:
    counted = UsageRollups(ledger_db, clock=CLOCK, rng=random.Random(1), registry=CollectorRegistry())
    await counted.step()
    scopes = [("project", "prj_1"), ("project", "prj_2"), ("key", "key_1"), ("key", "key_3"), ("user", "usr_1")]
    for scope, scope_id in [*scopes, ("tenant", "ten_default"), ("key", "key_2")]:
        assert (await make_budget(filled, scope=scope, scope_id=scope_id)).status_code == 201
    told = "https://hooks.test/s"
    assert await budgets_seen(filled, member(Role.FINANCE, user="usr_9")) == [
        ("project", "prj_1", told),
        ("key", "key_1", ""),
        ("key", "key_2", ""),
    ]
    own = Subject(id="usr_1", tenant_id="ten_default", roles=frozenset({Role.USER}))
    assert await budgets_seen(filled, own) == [("key", "key_1", ""), ("key", "key_3", ""), ("user", "usr_1", "")]
    assert await budgets_seen(filled, own, key_id="key_1") == [("key", "key_1", "")]
    assert await budgets_seen(filled, own, key_id="key_2") == []
    everything = Subject(id="usr_f", tenant_id="ten_default", roles=frozenset({Role.FINANCE}))
    assert await budgets_seen(filled, everything, key_id="key_1", project_id="prj_1") == [
        ("project", "prj_1", told),
        ("key", "key_1", told),
    ]


async def test_with_a_role_in_a_project_people_set_its_budgets_and_change_only_their_own(caller: Caller) -> None:
    finance = member(Role.FINANCE)
    of_tenant = (await make_budget(caller)).json()
    mine = (await make_budget(caller, finance, name="ours")).json()
    for scope, scope_id in (("project", "prj_2"), ("tenant", "ten_default"), ("key", "key_1")):
        assert (await make_budget(caller, finance, scope=scope, scope_id=scope_id)).status_code == 403
    for budget, status in ((of_tenant, 403), (mine, 200)):
        path = f"/budgets/{budget['id']}"
        changed = await caller.send("PATCH", path, {"amount": 99}, subject=finance, if_match="*")
        assert changed.status_code == status, changed.text
    assert (await caller.send("DELETE", f"/budgets/{of_tenant['id']}", subject=finance)).status_code == 403
    assert (await caller.send("DELETE", f"/budgets/{mine['id']}", subject=finance)).status_code == 204
