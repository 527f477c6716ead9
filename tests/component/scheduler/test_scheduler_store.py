"""The record: registration, specs, guarded commits, history. On both databases."""

import msgspec
import pytest
from sqlalchemy import func, select

from roundhouse_common.contracts.catalog import (
    DeploymentChange,
    DeploymentChanged,
    DeploymentDesired,
    DeploymentSpec,
)
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason, RegisterNode, ReplicaTransition
from roundhouse_common.database import Database
from roundhouse_common.runtime import SystemIds
from roundhouse_scheduler.domain.decide import decide
from roundhouse_scheduler.domain.errors import NodeIsHeard, StaleView, UnknownNode
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.records import Node, NodeState, Refusal, Rejection, RejectionReason
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.view import Silence, View
from roundhouse_scheduler.store import tables
from roundhouse_scheduler.store.commit import commit_plan
from roundhouse_scheduler.store.look import Records, all_endpoints, node_assignments, read_records
from roundhouse_scheduler.store.nodes import give_up, note_heartbeats, register
from roundhouse_scheduler.store.rows import add, replace
from roundhouse_scheduler.store.specs import take_specs
from roundhouse_scheduler.store.timeline import forget_old, note_changes
from tests.support.scheduler import CountingMint, a_deployment, a_node, a_replica, a_version, an_inventory

AT = 1_700_000_000.0


def a_request(incarnation: str, *, highest_epoch: int = 0) -> RegisterNode:
    return RegisterNode(node_id="nod_1", incarnation=incarnation, inventory=an_inventory(), highest_epoch=highest_epoch)


def a_spec(generation: int = 1, **changes: object) -> DeploymentSpec:
    base = DeploymentSpec(
        deployment_id="dep_1",
        name="chat",
        tenant_id="ten_default",
        generation=generation,
        desired=DeploymentDesired.RUN,
        replicas=1,
        version=a_version(),
    )
    return msgspec.structs.replace(base, **changes)


async def registered(db: Database, request: RegisterNode) -> Node:
    async with db.write() as session:
        return await register(session, request, at=AT)


async def records_of(db: Database) -> Records:
    async with db.read() as session:
        return await read_records(session)


async def planned(db: Database) -> tuple[View, Plan]:
    records = await records_of(db)
    view = View(
        deployments=records.deployments,
        versions=records.versions,
        nodes=records.nodes,
        replicas=records.replicas,
        silence={key: Silence(contact_s=0.0, silent_s=0.0) for key in records.nodes},
    )
    return view, decide(view, now=AT, rules=Rules(), mint=CountingMint())


async def committed(db: Database, view: View, plan: Plan) -> None:
    rows = dict(view.replicas) | {row.replica_id: row for row in (*plan.replicas, *plan.new_replicas)}
    async with db.write() as session:
        await commit_plan(session, plan, rows, at=AT, ids=SystemIds(), deployments=view.deployments, nodes=view.nodes)


async def test_each_incarnation_gets_a_higher_epoch(scheduler_db: Database) -> None:
    epochs = [(await registered(scheduler_db, a_request(name))).epoch for name in ("one", "two", "three")]
    assert epochs == [1, 2, 3]


async def test_asking_again_after_a_lost_answer_gets_the_same_epoch(scheduler_db: Database) -> None:
    first = await registered(scheduler_db, a_request("one"))
    assert await registered(scheduler_db, a_request("one")) == first


async def test_a_node_that_has_seen_more_epochs_than_the_record_goes_on_above_them(scheduler_db: Database) -> None:
    assert (await registered(scheduler_db, a_request("one", highest_epoch=7))).epoch == 8
    assert (await registered(scheduler_db, a_request("one", highest_epoch=8))).epoch == 9


async def test_every_field_of_a_record_survives(scheduler_db: Database) -> None:
    node = a_node(state=NodeState.LATE, is_given_up=True, report_sequence=2**40)
    replica = a_replica(
        phase=Phase.FAILED,
        reason=Reason.RESTART_BACKOFF,
        desired=Desired.DRAIN,
        node_id="nod_1",
        device_uuids=("GPU-1", "GPU-2"),
        exit_code=-9,
        log_tail=("Killed",),
        retry_at=AT,
        rejections=(Rejection(node_id="nod_2", reason=RejectionReason.MEMORY, detail="too small"),),
        refusals=(Refusal(node_id="nod_3", detail="no port", until=AT),),
    )
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
        await add(session, tables.nodes, node)
        await add(session, tables.replicas, replica)
    records = await records_of(scheduler_db)
    assert (records.nodes["nod_1"], records.replicas["rep_1"]) == (node, replica)
    assert records.versions["ver_1"] == a_version()


async def test_a_plan_is_committed_whole_with_its_timeline(scheduler_db: Database) -> None:
    await registered(scheduler_db, a_request("one"))
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
    await committed(scheduler_db, *await planned(scheduler_db))
    records = await records_of(scheduler_db)
    assert [row.phase for row in records.replicas.values()] == [Phase.ASSIGNED]
    async with scheduler_db.read() as session:
        kinds = await session.scalars(select(tables.events.c.kind))
        assert sorted(kinds) == ["replica.created", "replica.phase"]
        assert await session.scalar(select(func.count()).select_from(tables.outbox)) == 1
        document = await node_assignments(session, "nod_1")
        assert [item.deployment_name for item in document.assignments] == ["chat"]
    _, again = await planned(scheduler_db)
    assert again.is_empty


@pytest.mark.contract("B09")
async def test_transitions_say_whose_replica_it_is(scheduler_db: Database) -> None:
    """Replica-seconds are counted and priced by tenant and project."""
    await registered(scheduler_db, a_request("one"))
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec(project_id="prj_1")], at=AT)
    await committed(scheduler_db, *await planned(scheduler_db))
    async with scheduler_db.read() as session:
        payload = await session.scalar(select(tables.outbox.c.payload))
    assert payload is not None
    told = msgspec.json.decode(payload, type=ReplicaTransition)
    assert (told.tenant_id, told.project_id, told.is_holding) == ("ten_default", "prj_1", True)


async def test_a_plan_on_rows_that_have_changed_writes_nothing(scheduler_db: Database) -> None:
    await registered(scheduler_db, a_request("one"))
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
    view, plan = await planned(scheduler_db)
    await registered(scheduler_db, a_request("two"))
    with pytest.raises(StaleView):
        await committed(scheduler_db, view, plan)
    assert (await records_of(scheduler_db)).replicas == {}


async def test_two_plans_on_one_look_are_committed_once(scheduler_db: Database) -> None:
    await registered(scheduler_db, a_request("one"))
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
    view, plan = await planned(scheduler_db)
    await committed(scheduler_db, view, plan)
    with pytest.raises(StaleView):
        await committed(scheduler_db, view, plan)


async def test_only_newer_specs_are_taken_and_an_absent_one_is_no_order(scheduler_db: Database) -> None:
    async with scheduler_db.write() as session:
        assert await take_specs(session, [a_spec(generation=2, replicas=3)], at=AT) == ["dep_1"]
        assert await take_specs(session, [a_spec(generation=1, replicas=0)], at=AT) == []
        assert await take_specs(session, [a_spec(generation=2, replicas=0)], at=AT) == []
        assert await take_specs(session, [], at=AT) == []
    assert (await records_of(scheduler_db)).deployments["dep_1"].replicas == 3


@pytest.mark.contract("A36")
async def test_who_asks_for_replicas_uses_them_so_that_nothing_new_is_idle_at_once(scheduler_db: Database) -> None:
    """Idleness would otherwise put a deployment to sleep that was made, started or scaled a moment ago."""
    used = []
    steps: list[dict[str, object]] = [
        {},
        {"drain_timeout_s": 5.0},
        {"replicas": 3},
        {"desired": DeploymentDesired.STOP},
        {},
    ]
    for generation, changes in enumerate(steps, start=1):
        spec = a_spec(generation=generation, **({"replicas": 2} | changes))
        async with scheduler_db.write() as session:
            await take_specs(session, [spec], at=AT + generation)
        used.append((await records_of(scheduler_db)).deployments["dep_1"].last_used_at - AT)
    assert used == [1, 1, 3, 4, 5]


async def test_a_changed_drain_timeout_is_told_to_the_nodes(scheduler_db: Database) -> None:
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
        await add(session, tables.nodes, a_node())
        await add(session, tables.nodes, a_node("nod_2"))
        await add(session, tables.replicas, a_replica(node_id="nod_1", phase=Phase.READY))
        await take_specs(session, [a_spec(generation=2, drain_timeout_s=5.0)], at=AT)
    nodes = (await records_of(scheduler_db)).nodes
    assert [nodes[key].assignments_revision for key in ("nod_1", "nod_2")] == [int(AT * 1000), 0]


async def test_endpoints_never_go_back_even_for_a_record_that_was_restored(scheduler_db: Database) -> None:
    async with scheduler_db.write() as session:
        await take_specs(session, [a_spec()], at=AT)
    async with scheduler_db.read() as session:
        assert (await all_endpoints(session))["dep_1"].revision >= int(AT * 1000)


async def test_an_unknown_node_gets_no_answer_rather_than_an_empty_one(scheduler_db: Database) -> None:
    async with scheduler_db.read() as session:
        with pytest.raises(UnknownNode):
            await node_assignments(session, "nod_1")


async def test_noting_heartbeats_disturbs_no_plan(scheduler_db: Database) -> None:
    node = await registered(scheduler_db, a_request("one"))
    async with scheduler_db.write() as session:
        await note_heartbeats(session, {"nod_1": AT + 3.0, "nod_gone": AT})
        await replace(session, tables.nodes, msgspec.structs.replace(node, last_heartbeat_at=AT + 4.0))
    assert (await records_of(scheduler_db)).nodes["nod_1"].last_heartbeat_at == AT + 4.0


async def test_the_same_change_comes_into_the_timeline_once(scheduler_db: Database) -> None:
    change = DeploymentChanged(
        event_id="evt_1",
        at=AT,
        deployment_id="dep_1",
        generation=1,
        change=DeploymentChange.CREATED,
        actor="user:usr_admin",
    )
    async with scheduler_db.write() as session:
        await note_changes(session, [change, change])
        await note_changes(session, [change])
        await note_changes(session, [])
    async with scheduler_db.read() as session:
        assert await session.scalar(select(func.count()).select_from(tables.events)) == 1


async def test_only_a_silent_node_can_be_given_up(scheduler_db: Database) -> None:
    async with scheduler_db.write() as session:
        await add(session, tables.nodes, a_node("nod_1"))
        await add(session, tables.nodes, a_node("nod_2", state=NodeState.LATE))
        with pytest.raises(UnknownNode):
            await give_up(session, "nod_3")
        with pytest.raises(NodeIsHeard):
            await give_up(session, "nod_1")
        await give_up(session, "nod_2")
    assert (await records_of(scheduler_db)).nodes["nod_2"].is_given_up


async def test_old_history_is_forgotten_and_what_lives_is_kept(scheduler_db: Database) -> None:
    async with scheduler_db.write() as session:
        await add(session, tables.deployments, a_deployment())
        for name, ended_at in (("rep_1", None), ("rep_2", AT), ("rep_3", AT + 100.0)):
            await add(session, tables.replicas, a_replica(name, ended_at=ended_at))
        assert await forget_old(session, events_before=AT, replicas_before=AT + 50.0) == 1
        left = await session.scalars(select(tables.replicas.c.replica_id).order_by(tables.replicas.c.replica_id))
        assert list(left) == ["rep_1", "rep_3"]
