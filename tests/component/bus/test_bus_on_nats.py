"""What only a real server can show: speed of coming back, frozen servers, dead clients, configuration changes."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import pytest
from prometheus_client import CollectorRegistry

from roundhouse_common.bus.api import BusUnavailable, Delivery, MessageTooLarge
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.bus.nats_wire import NatsWire
from roundhouse_common.bus.publisher import Publisher
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.registry import KEYS, USAGE
from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.usage import UsageRecord
from roundhouse_common.runtime import SystemClock
from tests.component.bus.builders import api_key, usage
from tests.support.eventually import eventually
from tests.support.nats import ADMIN, NatsServer


def make(server: NatsServer, service: Service, registry: CollectorRegistry | None = None) -> NatsBus:
    seed_file = server.seed_file(service)
    return NatsBus(service, url=server.url, seed_file=seed_file, clock=SystemClock(), registry=registry)


async def test_a_bus_is_back_soon_after_its_server(nats_server: NatsServer) -> None:
    bus = make(nats_server, Service.CATALOG)
    await bus.connect()
    nats_server.kill()
    await eventually(lambda: not bus.is_connected)
    await asyncio.sleep(3.3)  # pauses that grew without a ceiling would be seconds by now
    nats_server.start()
    started = time.monotonic()

    await eventually(lambda: bus.is_connected, every_s=0.002)

    assert time.monotonic() - started < 2.5  # about 0.2 s
    await bus.close()


async def test_a_frozen_server_costs_timeouts_not_the_connection_for_ever(nats_server: NatsServer) -> None:
    bus = make(nats_server, Service.CATALOG)
    await bus.connect()
    nats_server.pause()
    with pytest.raises(BusUnavailable):
        await bus._wire.request("$JS.API.STREAM.INFO.KV_keys", b"", {}, 0.2)
    await eventually(lambda: not bus.is_connected, within_s=20)
    nats_server.resume()

    await eventually(lambda: bus.is_connected, within_s=10)
    assert await bus.bucket(KEYS).put("key_1", api_key()) == 1
    await bus.close()


async def test_an_error_after_which_the_client_library_gives_up_is_survived(nats_server: NatsServer) -> None:
    """nats-py closes a client for good on any `-ERR` that is not about permissions."""
    bus = make(nats_server, Service.CATALOG)
    await bus.connect()
    assert isinstance(bus._wire, NatsWire)
    wire = bus._wire
    first = wire.session
    await first.client._process_err("'Maximum Connections Exceeded'")

    await eventually(lambda: bus.is_connected and wire.session is not first)
    assert await bus.bucket(KEYS).list() == {}
    await bus.close()


async def test_a_changed_stream_configuration_is_applied_at_the_next_connect(nats_server: NatsServer) -> None:
    bus = make(nats_server, Service.CATALOG)
    await bus.connect()
    async with nats_server.client(ADMIN) as admin:
        streams = admin.jetstream()
        info = await streams.stream_info("KV_keys")
        await streams.update_stream(info.config.evolve(max_bytes=1024 * 1024))
        await bus.close()
        again = make(nats_server, Service.CATALOG)
        await again.connect()

        config = (await streams.stream_info("KV_keys")).config
    assert config.max_bytes == 256 * 1024 * 1024
    assert config.max_msgs_per_subject == 1
    assert config.allow_direct
    await again.close()


async def test_a_deleted_consumer_is_made_again_and_starts_over(nats_server: NatsServer) -> None:
    metering, router = make(nats_server, Service.METERING), make(nats_server, Service.ROUTER)
    await metering.connect()
    await router.connect()
    done: list[str] = []

    async def handler(batch: Sequence[Delivery[UsageRecord]]) -> None:
        done.extend(one.message.request_id for one in batch)

    running = asyncio.ensure_future(metering.consumer(USAGE, "metering-usage", handler).run())
    await router.append(USAGE, usage("req_1"), "router-1", event_id="req_1")
    await eventually(lambda: done == ["req_1"])
    async with nats_server.client(ADMIN) as admin:
        await admin.jetstream().delete_consumer("USAGE", "metering-usage")
    await router.append(USAGE, usage("req_2"), "router-1", event_id="req_2")

    await eventually(lambda: "req_2" in done)
    assert not running.done()
    running.cancel()
    await metering.close()
    await router.close()


async def test_a_message_larger_than_the_server_takes_is_an_error_that_says_so(nats_server: NatsServer) -> None:
    bus = make(nats_server, Service.CATALOG)
    await bus.connect()

    with pytest.raises(MessageTooLarge, match="the server takes"):
        await bus.bucket(KEYS).put("key_1", api_key(name="x" * 5_000_000))
    assert bus.is_connected
    await bus.close()


async def test_what_the_server_did_not_take_does_not_count_as_published(nats_server: NatsServer) -> None:
    bus = make(nats_server, Service.CATALOG)
    await bus.connect()
    record = {"key_1": api_key(name="x" * 5_000_000)}

    async def desired() -> Mapping[str, ApiKeyRecord]:
        return record

    publisher = Publisher(bus, KEYS, desired=desired)
    for _ in range(2):
        with pytest.raises(ExceptionGroup, match="TaskGroup"):
            await publisher.sync()
    record["key_1"] = api_key()
    assert await publisher.sync() == 1
    await bus.close()


async def test_a_wrong_seed_keeps_trying_and_says_why(
    nats_server: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = NatsBus(
        Service.CATALOG,
        url=nats_server.url,
        seed_file=nats_server.make_seed("stranger"),
        clock=SystemClock(),
        connect_wait_s=0.5,
    )
    await stranger.connect()

    assert not stranger.is_connected
    assert "Authorization Violation" in capsys.readouterr().out
    await stranger.close()


async def test_a_missing_seed_file_is_an_error_at_once(nats_server: NatsServer) -> None:
    missing = nats_server.directory / "missing.seed"

    with pytest.raises(FileNotFoundError):
        await NatsBus(Service.CATALOG, url=nats_server.url, seed_file=missing, clock=SystemClock()).connect()


async def test_connections_and_refusals_are_counted(nats_server: NatsServer) -> None:
    registry = CollectorRegistry()
    bus = make(nats_server, Service.ROUTER, registry)
    await bus.connect()
    assert registry.get_sample_value("roundhouse_bus_connected") == 1

    await bus._wire.publish("$KV.keys.key_1", b"{}", {})
    await eventually(lambda: registry.get_sample_value("roundhouse_bus_permission_errors_total") == 1)
    nats_server.kill()
    await eventually(lambda: registry.get_sample_value("roundhouse_bus_connected") == 0)
    nats_server.start()
    await eventually(lambda: registry.get_sample_value("roundhouse_bus_connections_total") == 2)
    await bus.close()
