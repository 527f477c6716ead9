"""With the bus away the router serves on, also from its start, and loses no usage (design §2.5)."""

import json
from pathlib import Path

from roundhouse_common.contracts.usage import Outcome
from tests.support.eventually import eventually, never
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine


async def ask(router: RunningRouter) -> str:
    """Ask once and return the id of the usage record."""
    async with router.post() as answer:
        assert answer.status == 200
        return str(answer.headers["x-request-id"])


async def test_a_router_starts_from_its_snapshot_while_the_bus_is_away(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        await eventually((tmp_path / "snapshot.json").exists)
        await eventually(lambda: len(json.loads((tmp_path / "snapshot.json").read_bytes())["endpoints"]) == 1)
    fleet.broker.stop()
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        request_id = await ask(router)
        assert not fleet.records
        fleet.broker.start()
        await eventually(lambda: request_id in fleet.by_id)


async def test_the_snapshot_is_private_and_holds_no_secret_of_a_client(
    tmp_path: Path, router: RunningRouter, fleet: Fleet
) -> None:
    snapshot = tmp_path / "snapshot.json"
    await eventually(snapshot.exists)
    assert snapshot.stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in snapshot.read_bytes()


async def test_a_snapshot_that_cannot_be_read_is_no_reason_not_to_start(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    (tmp_path / "snapshot.json").write_bytes(b'{"format":1,"saved_at":')
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        await ask(router)


async def test_requests_while_the_bus_is_away_are_recorded_when_it_is_back(router: RunningRouter, fleet: Fleet) -> None:
    fleet.broker.stop()
    ids = [await ask(router) for _ in range(5)]
    assert not fleet.records
    assert router.metric("roundhouse_router_spool_depth") == 5
    fleet.broker.start()
    await eventually(lambda: len(fleet.by_id) == 5)
    assert [record.request_id for record in sorted(fleet.records, key=lambda record: record.sequence)] == ids
    await eventually(lambda: router.metric("roundhouse_router_spool_depth") == 0)


async def test_a_wiped_stream_gets_everything_again_that_is_retained(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet, stream_check_s=0.05) as router:
        await fleet.serve(engine)
        await router.ready()
        ids = {await ask(router) for _ in range(3)}
        await eventually(lambda: router.metric("roundhouse_router_spool_depth") == 0)
        await eventually(lambda: fleet.by_id.keys() == ids)  # what is under way would come after the clearing
        fleet.broker.stop()
        fleet.broker.wipe()
        fleet.records.clear()
        fleet.broker.start()
        await eventually(lambda: fleet.by_id.keys() == ids)
        await eventually(lambda: router.metric("roundhouse_router_usage_republications_total") == 1)


async def test_a_wiped_stream_is_noticed_by_a_router_that_was_not_running(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        request_id = await ask(router)
        await eventually(lambda: request_id in fleet.by_id)
    fleet.broker.stop()
    fleet.broker.wipe()
    fleet.records.clear()
    fleet.broker.start()
    async with RunningRouter(tmp_path, fleet):
        await eventually(lambda: request_id in fleet.by_id)


async def test_everyones_retained_usage_is_published_again_on_request(router: RunningRouter, fleet: Fleet) -> None:
    ids = {await ask(router) for _ in range(3)}
    await eventually(lambda: fleet.by_id.keys() == ids)
    (answer,) = await fleet.ask_to_republish()
    assert (answer.instance, answer.written) == (fleet.records[0].router_id, {"USAGE": 3})
    await eventually(lambda: router.metric("roundhouse_router_usage_published_total") == 6)
    assert fleet.by_id.keys() == ids


async def test_acknowledged_usage_is_not_published_again_by_a_restart(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        await ask(router)
        await eventually(lambda: router.metric("roundhouse_router_spool_depth") == 0)
    async with RunningRouter(tmp_path, fleet) as router:
        await router.ready()
        await never(lambda: router.metric("roundhouse_router_usage_published_total"))
        await ask(router)
        await eventually(lambda: len(fleet.by_id) == 2)
    assert sorted(record.sequence for record in fleet.records) == [1, 2]


async def test_stopping_waits_for_the_last_record_to_be_acknowledged(
    tmp_path: Path, fleet: Fleet, engine: Engine
) -> None:
    async with RunningRouter(tmp_path, fleet, spool_sync_s=30) as router:
        await fleet.serve(engine)
        await router.ready()
        await ask(router)
        assert not fleet.records
    await eventually(lambda: len(fleet.records) == 1)


async def test_what_is_deleted_on_the_bus_stays_known(router: RunningRouter, fleet: Fleet) -> None:
    fleet.broker.stop()
    fleet.broker.wipe()
    fleet.broker.start()
    await eventually(lambda: router.bus.is_connected)
    await never(lambda: not router.metric("roundhouse_router_endpoints", state="ready"))
    await ask(router)


async def test_an_endpoint_of_an_older_revision_is_ignored(router: RunningRouter, fleet: Fleet, engine: Engine) -> None:
    for _ in range(3):
        await fleet.put_endpoints(endpoint(engine.base_url))
    fleet.revision = 1
    await fleet.put_endpoints()
    await fleet.put_route(route("marker"))
    await eventually(lambda: _lists(router, "marker"))
    await ask(router)


async def test_every_admitted_request_has_one_record_however_it_ended(
    router: RunningRouter, fleet: Fleet, engine: Engine
) -> None:
    await fleet.put_key(api_key())
    done = [await ask(router) for _ in range(4)]
    engine.stop()
    for _ in range(3):
        async with router.post() as answer:
            assert answer.status == 502
    await eventually(lambda: len(fleet.by_id) == 7)
    assert sorted(record.sequence for record in fleet.records) == list(range(1, 8))
    outcomes = [record.outcome for record in fleet.records]
    assert (outcomes.count(Outcome.COMPLETED), outcomes.count(Outcome.FAILED)) == (len(done), 3)


async def _lists(router: RunningRouter, name: str) -> bool:
    async with router.session.get(f"/v1/models/{name}", headers={"authorization": f"Bearer {SECRET}"}) as answer:
        return bool(answer.status == 200)
