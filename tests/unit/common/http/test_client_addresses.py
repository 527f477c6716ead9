"""Whom a service takes a request to be from, behind proxies that each add a line of their own."""

import httpx
import pytest

from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.client_address import Proxies, networks
from roundhouse_common.http import create_app
from roundhouse_common.http.trail import current_trail
from roundhouse_common.runtime import SystemClock

BEHIND = Proxies(trusted=networks(["10.0.0.0/8"]))


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        (["6.6.6.6", "192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        ([], "10.0.0.1"),
    ],
)
@pytest.mark.contract("E05")
async def test_lines_of_several_proxies_are_read_as_one(lines: list[str], client: str) -> None:
    app = create_app("a test", "1", TokenVerifier(generate_keypair()[1], clock=SystemClock()), proxies=BEHIND)

    @app.get("/whence")
    async def tell() -> str:
        trail = current_trail()
        assert trail is not None
        return trail.client_address

    transport = httpx.ASGITransport(app, client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
        answer = await http.get("/whence", headers=[("x-forwarded-for", line) for line in lines])
    assert answer.json() == client
