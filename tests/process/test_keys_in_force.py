"""Keys, budgets and request logs under load on three routers: how soon after the service's answer a change is in force
on the last one."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.process.platform import DEMO, Platform, until
from tests.support.ports import free_port

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

WITHIN_S = 1.0
CLIENTS = 4
"""On each router, all asking without a pause."""
ROUNDS = 3


@pytest.fixture(scope="module")
def routers(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The platform's own router, and two more beside it."""
    pid = platform.pid("router")
    assert pid is not None
    environment, urls, processes = psutil.Process(pid).environ(), [platform.connection["router_url"]], []
    for number in (2, 3):
        port = free_port()
        own = {
            "PORT": str(port),
            "STATE_DIR": str(router_dir(tmp_path_factory, number)),
            "INSTANCE": f"router-{number}",
        }
        settings = {**environment, **{f"ROUNDHOUSE_ROUTER_{name}": value for name, value in own.items()}}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "roundhouse_router"],
                env=settings,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        urls.append(f"http://127.0.0.1:{port}")
    yield urls
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=30)


def router_dir(factory: pytest.TempPathFactory, number: int) -> Path:
    return Path(factory.mktemp(f"router-{number}"))


@dataclass
class Load:
    """Asks every router without a pause, and notes of each secret when a request that was accepted had been sent."""

    session: aiohttp.ClientSession
    urls: list[str]
    accepted: dict[tuple[str, str], float] = field(default_factory=dict)
    """By router and secret: the last one."""
    refused: dict[tuple[str, str], float] = field(default_factory=dict)
    """The first one after the last that was accepted."""
    asked: int = 0

    @asynccontextmanager
    async def with_secret(self, secret: str) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask(url, secret)) for url in self.urls for _ in range(CLIENTS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, url: str, secret: str) -> None:
        headers, which = {"authorization": f"Bearer {secret}"}, (url, secret)
        while True:
            sent = time.monotonic()
            async with self.session.get(f"{url}/v1/models", headers=headers) as answer:
                body = await answer.read()
            self.asked += 1
            if answer.status == 200 and DEMO.encode() in body:
                self.accepted[which] = max(sent, self.accepted.get(which, 0.0))
                self.refused.pop(which, None)
            else:
                assert answer.status == 401, body
                self.refused.setdefault(which, sent)

    async def known_everywhere(self, secret: str) -> None:
        """Return once every router knows the key."""
        for url in self.urls:
            status = 0
            async with asyncio.timeout(30):
                while status != 200:
                    headers = {"authorization": f"Bearer {secret}"}
                    async with self.session.get(f"{url}/v1/models", headers=headers) as answer:
                        status = answer.status

    async def accepted_everywhere(self, secret: str) -> None:
        while not all((url, secret) in self.accepted for url in self.urls):
            await asyncio.sleep(0.005)

    async def refused_everywhere(self, secret: str) -> float:
        """Return when the last accepted request had been sent, once every router refuses."""
        while not all((url, secret) in self.refused for url in self.urls):
            await asyncio.sleep(0.005)
        return max(self.accepted[url, secret] for url in self.urls)


async def call(session: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> Any:  # Any: JSON documents
    async with session.request(method, url, json=body) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json() if answer.status != 204 else None


@pytest.mark.contract("B12", "E04")
async def test_keys_are_in_force_within_a_second_on_every_router_under_load(
    platform: Platform, routers: list[str]
) -> None:
    connection, taken = platform.connection, {"created": 0.0, "rotated": 0.0, "revoked": 0.0}
    keys = f"{connection['catalog_url']}/api/v1/api-keys"
    token = {"authorization": f"Bearer {connection['admin_token']}"}
    async with aiohttp.ClientSession(headers=token) as catalog, aiohttp.ClientSession() as session:
        load = Load(session, routers)
        for url in routers:
            await until(lambda url=url: is_ready(url), within_s=60, what=f"{url} is ready")  # type: ignore[misc]  # a default binds it
        for number in range(ROUNDS):
            made = await call(catalog, "POST", keys, {"name": f"in force {number}"})
            began = time.monotonic()
            async with asyncio.timeout(30), load.with_secret(made["secret"]):
                await load.accepted_everywhere(made["secret"])
                taken["created"] = max(taken["created"], time.monotonic() - began)
                rotated = await call(catalog, "POST", f"{keys}/{made['id']}:rotate", {"overlap_s": 0})
                began = time.monotonic()
                last = await load.refused_everywhere(made["secret"])
                taken["rotated"] = max(taken["rotated"], last - began)
            async with asyncio.timeout(30), load.with_secret(rotated["secret"]):
                await load.accepted_everywhere(rotated["secret"])
                await call(catalog, "DELETE", f"{keys}/{made['id']}")
                began = time.monotonic()
                last = await load.refused_everywhere(rotated["secret"])
                taken["revoked"] = max(taken["revoked"], last - began)
    print({what: f"{seconds * 1000:.0f} ms" for what, seconds in taken.items()}, load.asked, "requests")
    assert max(taken.values()) < WITHIN_S, taken


async def first_sent(session: aiohttp.ClientSession, urls: list[str], secret: str, status: int, since: float) -> float:
    """Ask every router without a pause until each answers with this status; return how long after `since` the request
    was sent that was the last of these."""
    headers, body = {"authorization": f"Bearer {secret}"}, {"model": DEMO, "prompt": "a", "max_tokens": 1}

    async def ask(url: str) -> float:
        while True:
            sent = time.monotonic()
            async with session.post(f"{url}/v1/completions", headers=headers, json=body) as answer:
                await answer.read()
            assert answer.status in (200, 429)
            if answer.status == status:
                return sent - since

    async with asyncio.timeout(30):
        return max(await asyncio.gather(*map(ask, urls)))


@pytest.mark.contract("F05")
async def test_budgets_are_in_force_within_a_second_on_every_router_under_load(
    platform: Platform, routers: list[str]
) -> None:
    connection, taken = platform.connection, {"created": 0.0, "raised": 0.0}
    budgets = f"{connection['metering_url']}/api/v1/budgets"
    token = {"authorization": f"Bearer {connection['admin_token']}"}
    async with aiohttp.ClientSession(headers=token) as service, aiohttp.ClientSession() as session:
        key = await call(service, "POST", f"{connection['catalog_url']}/api/v1/api-keys", {"name": "budgets in force"})
        for url in routers:
            await until(lambda url=url: is_ready(url), within_s=60, what=f"{url} is ready")  # type: ignore[misc]  # a default binds it
        await Load(session, routers).known_everywhere(key["secret"])
        for number in range(ROUNDS):
            wanted = {"scope": "key", "scope_id": key["id"], "unit": "tokens", "amount": 0, "is_hard": True}
            assert await first_sent(session, routers, key["secret"], 200, time.monotonic()) < WITHIN_S
            made = await call(service, "POST", budgets, {"name": f"in force {number}", **wanted})
            since = time.monotonic()
            taken["created"] = max(taken["created"], await first_sent(session, routers, key["secret"], 429, since))
            path = f"{budgets}/{made['id']}"
            async with service.patch(path, json={"amount": 10**9}, headers={"if-match": "*"}) as answer:
                assert answer.status == 200, await answer.text()
            since = time.monotonic()
            taken["raised"] = max(taken["raised"], await first_sent(session, routers, key["secret"], 200, since))
            await call(service, "DELETE", path)
    print({what: f"{seconds * 1000:.0f} ms" for what, seconds in taken.items()})
    assert max(taken.values()) < WITHIN_S, taken


@pytest.mark.contract("E05")
async def test_a_tenants_request_log_is_in_force_within_a_second_on_every_router(
    platform: Platform, routers: list[str]
) -> None:
    connection = platform.connection
    catalog = f"{connection['catalog_url']}/api/v1"
    token = {"authorization": f"Bearer {connection['admin_token']}", "if-match": "*"}
    async with aiohttp.ClientSession(headers=token) as service, aiohttp.ClientSession() as session:
        key = await call(service, "POST", f"{catalog}/api-keys", {"name": "request log"})
        for url in routers:
            await until(lambda url=url: is_ready(url), within_s=60, what=f"{url} is ready")  # type: ignore[misc]  # as above
        await Load(session, routers).known_everywhere(key["secret"])
        await call(service, "PATCH", f"{catalog}/tenants/ten_default", {"request_log": {"level": "bodies"}})
        await asyncio.sleep(WITHIN_S)  # what is promised: from then on every request is logged
        asked = 2
        for _ in range(asked):
            await first_sent(session, routers, key["secret"], 200, time.monotonic())
        wanted: dict[str, str] = {"key_id": key["id"]}
        page: dict[str, Any] = {"items": []}  # Any: JSON
        async with asyncio.timeout(20):
            while len(page["items"]) < asked * len(routers):
                async with service.get(f"{catalog}/request-log", params=wanted) as answer:
                    page = await answer.json()
        assert len(page["items"]) == asked * len(routers)
        assert len({one["router_id"] for one in page["items"]}) == len(page["routers"]) == len(routers)
        shown = await call(service, "GET", f"{catalog}/request-log/{page['items'][0]['request_id']}")
        assert shown["request"]["prompt"] == "a"
        await call(service, "PATCH", f"{catalog}/tenants/ten_default", {"request_log": {"level": "off"}})


def is_ready(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
