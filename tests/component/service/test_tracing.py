"""One trace id from the client's request, through outbox and bus, to the consumer of another service."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import httpx
from fastapi import FastAPI
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import MetaData

from roundhouse_common import telemetry
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.bus.api import Bus, Delivery
from roundhouse_common.bus.memory import MemoryBroker, MemoryBus
from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentChanged
from roundhouse_common.contracts.registry import DEPLOYMENT_CHANGED
from roundhouse_common.database import Database, OutboxRelay, enqueue, outbox_table
from roundhouse_common.http import create_app
from roundhouse_common.runtime import SystemClock
from tests.support.databases import database
from tests.support.eventually import eventually
from tests.support.tracing import spans

__all__ = ["spans"]

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)
CLOCK = SystemClock()
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


class Receiver:
    """A consumer that notes in which trace it handled what."""

    def __init__(self) -> None:
        self.traces: list[str] = []

    async def __call__(self, batch: Sequence[Delivery[DeploymentChanged]]) -> None:
        self.traces += [telemetry.current_trace_id() for _ in batch]


def catalog(db: Database) -> FastAPI:
    """A REST edge that decides something and tells others about it."""
    app = create_app("Catalog", "1", TokenVerifier(generate_keypair()[1], clock=CLOCK))

    @app.post("/api/v1/deployments/{deployment_id}")
    async def change(deployment_id: str) -> dict[str, str]:
        message = DeploymentChanged(
            event_id="evt_1",
            at=1.0,
            deployment_id=deployment_id,
            generation=1,
            change=DeploymentChange.SCALED,
            actor="user:usr_admin",
        )
        async with db.write() as session:
            await enqueue(session, DEPLOYMENT_CHANGED, message, deployment_id, event_id=message.event_id)
        return {}

    return app


@asynccontextmanager
async def connected(broker: MemoryBroker, service: Service) -> AsyncIterator[Bus]:
    bus = MemoryBus(broker, service, clock=CLOCK)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


async def send_and_receive(url: str, headers: dict[str, str]) -> list[str]:
    """Post to the catalog, relay its outbox, and return the traces in which the scheduler's consumer worked."""
    receiver = Receiver()
    broker = MemoryBroker(clock=CLOCK)
    async with (
        database(url, METADATA) as db,
        connected(broker, Service.CATALOG) as sending,
        connected(broker, Service.SCHEDULER) as receiving,
        httpx.AsyncClient(transport=httpx.ASGITransport(catalog(db)), base_url="http://catalog") as client,
    ):
        durable = DEPLOYMENT_CHANGED.durables[0]
        consuming = asyncio.create_task(receiving.consumer(DEPLOYMENT_CHANGED, durable, receiver).run())
        assert (await client.post("/api/v1/deployments/dep_1", headers=headers)).status_code == 200
        assert await OutboxRelay(db, sending, OUTBOX, CLOCK).flush() == 1
        await eventually(lambda: receiver.traces)
        consuming.cancel()
        with suppress(asyncio.CancelledError):
            await consuming
    return receiver.traces


async def test_trace_of_the_client_reaches_the_consumer(sqlite_url: str, spans: InMemorySpanExporter) -> None:
    assert await send_and_receive(sqlite_url, {"traceparent": TRACEPARENT}) == [TRACE_ID]
    finished = spans.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in finished if span.context} == {TRACE_ID}
    assert [span.name for span in finished] == [
        "POST /api/v1/deployments/{deployment_id}",
        "process rh.evt.v1.catalog.deployment.changed",
    ]


async def test_request_without_a_trace_begins_one(sqlite_url: str, spans: InMemorySpanExporter) -> None:
    (trace_id,) = await send_and_receive(sqlite_url, {})
    assert {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans() if span.context} == {trace_id}


async def test_trace_is_passed_on_although_nothing_is_recorded() -> None:
    script = (
        "from roundhouse_common import telemetry\n"
        f"with telemetry.span('work', parent={{'traceparent': '{TRACEPARENT}'}}):\n"
        "    headers = {}\n"
        "    telemetry.inject(headers)\n"
        "    print(headers['traceparent'].split('-')[1])\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0].decode().strip() == TRACE_ID


async def test_spans_are_sent_to_the_collector_before_the_process_ends() -> None:
    received: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.lower().splitlines() if b"content-length" in line))
        received.append(head.splitlines()[0] + b"\n" + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(collect, "127.0.0.1", 0)
    async with server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        script = (
            "from roundhouse_common import telemetry\n"
            f"stop = telemetry.configure_tracing(service='catalog', instance='c1', endpoint='{endpoint}')\n"
            "with telemetry.span('decide'):\n"
            "    pass\n"
            "stop()\n"
        )
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await process.wait() == 0
    (request,) = received
    assert request.startswith(b"POST /v1/traces ")
    assert b"roundhouse-catalog" in request
    assert b"decide" in request
