"""The router on a real nats-server, with the router's own credentials."""

from pathlib import Path

from tests.support.eventually import eventually
from tests.support.nats import NatsServer
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import Engine


async def ask(router: RunningRouter) -> str:
    async with router.post() as answer:
        assert answer.status == 200
        return str(answer.headers["x-request-id"])


async def test_usage_survives_a_killed_and_a_wiped_server(
    tmp_path: Path, nats_server: NatsServer, engine: Engine
) -> None:
    ids = set()
    async with Fleet(nats_server) as fleet, RunningRouter(tmp_path / "router", fleet, stream_check_s=0.1) as router:
        await fleet.serve(engine)
        await router.ready()
        ids |= {await ask(router) for _ in range(3)}
        await eventually(lambda: fleet.by_id.keys() == ids)

        nats_server.kill()
        ids |= {await ask(router) for _ in range(3)}
        nats_server.start()
        await eventually(lambda: fleet.by_id.keys() == ids, within_s=20)

        nats_server.kill()
        nats_server.wipe()
        ids |= {await ask(router) for _ in range(3)}
        nats_server.start()
        await eventually(lambda: fleet.by_id.keys() == ids, within_s=20)
        await eventually(lambda: router.metric("roundhouse_router_usage_republications_total") == 1, within_s=20)
        assert [answer.written for answer in await fleet.ask_to_republish()] == [{"USAGE": 9}]
        assert router.metric("roundhouse_bus_permission_errors_total") == 0
