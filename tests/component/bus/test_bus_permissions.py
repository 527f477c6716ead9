"""The generated permissions, on a real server: each service can do what its contracts say, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import Delivery, PermanentError
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Bucket, Contract, Event, Rpc, Service, Signal
from roundhouse_common.contracts.generate.permissions import inbox_prefix
from roundhouse_common.contracts.generate.subjects import any_subject, bucket_subject, hint_subject, stream_name
from roundhouse_common.contracts.registry import ASSIGNMENTS, CONTRACTS, DEAD_LETTERS, READ_ASSIGNMENTS, USAGE
from roundhouse_common.runtime import SystemClock
from tests.component.bus.builders import usage
from tests.support.eventually import eventually
from tests.support.nats import NODE_A, NODE_B, NatsServer
from tests.support.samples import sample

# Any below: tests that go over contracts of every message type.
SERVICES = [service for service in Service if service is not Service.NODE_AGENT]
BUCKETS = [contract for contract in CONTRACTS if isinstance(contract, Bucket)]
EVENTS = [
    contract
    for contract in CONTRACTS
    if isinstance(contract, Event) and contract.readers and contract not in DEAD_LETTERS.values()
]
SIGNALS = [contract for contract in CONTRACTS if isinstance(contract, Signal)]
RPCS = [contract for contract in CONTRACTS if isinstance(contract, Rpc)]


class Services:
    """A bus for every service, with what the server refused it."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._registries: dict[Service, CollectorRegistry] = {}
        self.buses: dict[Service, NatsBus] = {}

    async def connect(self) -> None:
        for service in Service:
            node_id = NODE_A if service is Service.NODE_AGENT else ""
            self._registries[service] = CollectorRegistry()
            self.buses[service] = NatsBus(
                service,
                url=self._server.url,
                seed_file=self._server.seed_file(service, node_id),
                clock=SystemClock(),
                node_id=node_id,
                registry=self._registries[service],
            )
            await self.buses[service].connect()

    def refusals(self) -> dict[Service, float]:
        """Return how many subjects the server refused, of the services that it refused any."""
        name = "roundhouse_bus_permission_errors_total"
        counts = {service: registry.get_sample_value(name) or 0 for service, registry in self._registries.items()}
        return {service: count for service, count in counts.items() if count}

    async def close(self) -> None:
        for bus in self.buses.values():
            await bus.close()


@pytest.fixture
async def services(nats_server: NatsServer) -> Any:
    connected = Services(nats_server)
    await connected.connect()
    yield connected
    assert connected.refusals() == {}
    await connected.close()


def own_ids(contract: Contract) -> tuple[str, ...]:
    """Return identifiers that a node agent may use: its own node first."""
    return (NODE_A, *["x"] * (contract.id_tokens - 1))


@pytest.mark.parametrize("bucket", BUCKETS, ids=lambda one: one.subject)
async def test_owners_write_buckets_and_everyone_else_concerned_reads_them(
    services: Services, bucket: Bucket[Any]
) -> None:
    value = sample(bucket.message)
    only_key = NODE_A
    revision = await services.buses[bucket.owner].bucket(bucket).put(NODE_A, value)

    for service in {bucket.owner, *bucket.readers, *bucket.provisioners}:
        read = services.buses[service].bucket(bucket)
        assert (await read.list(only_key=only_key))[NODE_A].revision == revision
        async with read.watch(only_key=only_key) as changes, asyncio.timeout(20):
            revision = await services.buses[bucket.owner].bucket(bucket).put(NODE_A, value)
            change = await anext(changes)
            assert change is not None
            assert change.revision == revision
        if service is not Service.NODE_AGENT:
            assert list(await read.list()) == [NODE_A]


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: one.subject)
async def test_owners_append_and_readers_consume_give_up_and_replay(services: Services, event: Event[Any]) -> None:
    handled: list[str] = []

    async def handler(batch: Sequence[Delivery[Any]]) -> None:
        handled.extend(one.event_id for one in batch)
        if handled == ["evt_1"]:
            raise PermanentError("once")

    durable = event.durables[0]
    reader = services.buses[event.readers[0]]
    await services.buses[event.owner].append(event, sample(event.message), "x", event_id="evt_1")
    consumer = reader.consumer(event, durable, handler)
    running = asyncio.ensure_future(consumer.run())
    letters = await eventually(consumer.letters)
    await consumer.replay(letters[0].letter_id)
    assert await consumer.letters() == []
    await services.buses[event.owner].append(event, sample(event.message), "x", event_id="evt_2")
    await eventually(lambda: handled == ["evt_1", "evt_1", "evt_2"])
    running.cancel()
    assert await services.buses[event.owner].stream_created_at(event) > 0
    assert await reader.stream_created_at(event) > 0


@pytest.mark.parametrize("contract", SIGNALS, ids=lambda one: one.subject)
async def test_owners_signal_and_readers_hear(services: Services, contract: Signal[Any]) -> None:
    heard: list[tuple[str, ...]] = []

    async def hear(message: Any, ids: tuple[str, ...]) -> None:
        heard.append(ids)

    for reader in contract.readers:
        await services.buses[reader].subscribe(contract, hear)
    await services.buses[contract.owner].signal(contract, sample(contract.message), *own_ids(contract))

    await eventually(lambda: heard == [own_ids(contract)] * len(contract.readers))


@pytest.mark.parametrize("contract", RPCS, ids=lambda one: one.subject)
async def test_owners_answer_and_readers_ask(services: Services, contract: Rpc[Any, Any]) -> None:
    async def answer(question: Any, ids: tuple[str, ...]) -> Any:
        return sample(contract.reply)

    await services.buses[contract.owner].serve(contract, answer, *own_ids(contract))
    for reader in contract.readers:
        bus = services.buses[reader]
        assert await bus.request(contract, sample(contract.request), *own_ids(contract)) == sample(contract.reply)


def _written_subjects(contract: Contract) -> str:
    return bucket_subject(contract, "x") if isinstance(contract, Bucket) else f"{contract.subject}.x"


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.value)
async def test_no_service_publishes_what_another_owns(nats_server: NatsServer, service: Service) -> None:
    async with nats_server.client(service.value, inbox_prefix=inbox_prefix(service)) as client:
        for contract in CONTRACTS:
            may_publish = service in contract.readers if isinstance(contract, Rpc) else service is contract.owner
            if not may_publish:
                assert await client.refused(_written_subjects(contract)), contract.subject


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.value)
async def test_no_service_reads_what_is_not_meant_for_it(nats_server: NatsServer, service: Service) -> None:
    async with nats_server.client(service.value, inbox_prefix=inbox_prefix(service)) as client:
        for contract in CONTRACTS:
            is_concerned = service in (contract.owner, *contract.readers)
            match contract:
                case Bucket() if not is_concerned and service not in contract.provisioners:
                    assert await client.refused(f"$JS.API.DIRECT.GET.{stream_name(contract)}")
                    assert await client.refused_to_listen(hint_subject(contract))
                case Signal() if service not in contract.readers:
                    assert await client.refused_to_listen(any_subject(contract))
                case Rpc() if service is not contract.owner:
                    assert await client.refused_to_listen(any_subject(contract))
                case Event():
                    stream = stream_name(contract)
                    assert await client.refused_to_listen(any_subject(contract))
                    assert await client.refused(f"$JS.API.STREAM.MSG.GET.{stream}")
                    for durable in contract.durables:
                        if not durable.startswith(f"{service.value}-"):
                            assert await client.refused(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}")
                            assert await client.refused(f"$JS.ACK.{stream}.{durable}.1.1.1.1.0")


@pytest.mark.parametrize("user", [*(service.value for service in SERVICES), NODE_A])
async def test_nobody_listens_to_the_replies_of_others_or_administers_streams(
    nats_server: NatsServer, user: str
) -> None:
    own = inbox_prefix(Service.NODE_AGENT, NODE_A) if user == NODE_A else inbox_prefix(Service(user))
    others = [inbox_prefix(service) for service in SERVICES] + [inbox_prefix(Service.NODE_AGENT, NODE_B)]
    async with nats_server.client(user, inbox_prefix=own) as client:
        assert not await client.refused_to_listen(f"{own}.abc.*")
        for prefix in ("_INBOX", "_INBOX.*", *(other for other in others if other != own)):
            assert await client.refused_to_listen(f"{prefix}.>")
            assert await client.refused(f"{prefix}.abc.1")
        for subject in (">", "rh.>", "$KV.>", "$SYS.>", "$JS.>"):
            assert await client.refused_to_listen(subject), subject
        for verb in ("STREAM.DELETE", "STREAM.PURGE", "STREAM.SNAPSHOT", "CONSUMER.DELETE", "CONSUMER.CREATE"):
            assert await client.refused(f"$JS.API.{verb}.KV_keys"), verb


async def test_a_node_agent_is_confined_to_its_node(nats_server: NatsServer) -> None:
    async with nats_server.client(NODE_A, inbox_prefix=inbox_prefix(Service.NODE_AGENT, NODE_A)) as agent:
        for subject in (
            f"$KV.reports.{NODE_B}",
            f"rh.hb.v1.node-agent.node.beat.{NODE_B}",
            f"rh.log.v1.node-agent.replica.line.{NODE_B}.rep_1",
            f"rh.rpc.v1.scheduler.node.register.{NODE_B}",
            f"rh.rpc.v1.scheduler.node.assignments.{NODE_B}",
            f"$JS.API.DIRECT.GET.KV_assignments.$KV.assignments.{NODE_B}",
            f"$JS.API.DIRECT.GET.KV_reports.$KV.reports.{NODE_B}",
        ):
            assert await agent.refused(subject), subject
            assert not await agent.refused(subject.replace(NODE_B, NODE_A)), subject
        for subject in (
            f"rh.hint.v1.scheduler.assignments.stored.{NODE_B}",
            f"rh.hint.v1.node-agent.reports.stored.{NODE_B}",
            f"rh.rpc.v1.node-agent.log.read.{NODE_B}",
        ):
            assert await agent.refused_to_listen(subject), subject
            assert not await agent.refused_to_listen(subject.replace(NODE_B, NODE_A)), subject
            assert await agent.refused_to_listen(f"{subject.rsplit('.', 1)[0]}.>"), subject


async def test_a_node_agent_cannot_speak_as_the_scheduler_or_read_a_bucket_whole(nats_server: NatsServer) -> None:
    async with nats_server.client(NODE_A, inbox_prefix=inbox_prefix(Service.NODE_AGENT, NODE_A)) as agent:
        for subject in (
            f"$KV.assignments.{NODE_A}",
            "$KV.endpoints.dep_1",
            "$KV.keys.key_1",
            "rh.evt.v1.scheduler.replica.changed.rep_1",
            f"rh.rpc.v1.node-agent.log.read.{NODE_A}",
            f"rh.hint.v1.scheduler.assignments.stored.{NODE_A}",
            "$JS.API.DIRECT.GET.KV_assignments",
            "$JS.API.STREAM.MSG.GET.KV_assignments",
            f"$JS.API.CONSUMER.CREATE.KV_assignments.x.$KV.assignments.{NODE_A}",
            "$JS.API.STREAM.CREATE.KV_reports",
            "rh.use.v1.router.request.settled.router-1",
        ):
            assert await agent.refused(subject), subject


async def test_a_question_cannot_make_its_answer_a_write(services: Services, nats_server: NatsServer) -> None:
    """The answering service may write what the asker may not; so it answers to inboxes only."""

    async def answer(question: Any, ids: tuple[str, ...]) -> Any:
        return sample(READ_ASSIGNMENTS.reply)

    scheduler = services.buses[Service.SCHEDULER]
    await scheduler.serve(READ_ASSIGNMENTS, answer)
    async with nats_server.client(NODE_A, inbox_prefix=inbox_prefix(Service.NODE_AGENT, NODE_A)) as agent:
        question = b'{"node_id":"nod_a","epoch":1}'
        subject = f"{READ_ASSIGNMENTS.subject}.{NODE_A}"
        await agent.publish(subject, question, reply=f"$KV.assignments.{NODE_B}")
        await agent.request(subject, question, timeout=20)  # answered after the one before

    assert await scheduler.bucket(ASSIGNMENTS).get(NODE_B) is None


async def test_without_credentials_nobody_connects(nats_server: NatsServer) -> None:
    stranger = NatsBus(Service.ROUTER, url=nats_server.url, clock=SystemClock(), connect_wait_s=0.5)
    await stranger.connect()

    assert not stranger.is_connected
    with pytest.raises(Exception, match="not connected"):
        await stranger.append(USAGE, usage(), "router-1", event_id="req_1")
    await stranger.close()
