"""Keys that are kept to networks are held to them with every request, also after one that was permitted."""

from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.running_router import Fleet, RunningRouter, api_key
from tests.support.scripted_engine import Engine

SECRET = "rh-kept-to-an-office"


async def status_from(router: RunningRouter, address: str, secret: str = SECRET) -> int:
    headers = {"authorization": f"Bearer {secret}", "x-forwarded-for": address}
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
    async with router.session.post("/v1/chat/completions", json=body, headers=headers) as answer:
        await answer.read()
        return int(answer.status)


@pytest.mark.contract("B12")
async def test_an_address_is_looked_at_with_every_request(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with RunningRouter(tmp_path, fleet, trusted_proxies=["127.0.0.1"]) as router:
        await fleet.serve(engine)
        await fleet.put_key(api_key(SECRET, key_id="key_office", ip_ranges=("192.0.2.0/24", "2001:db8::/32")))
        await router.ready()

        async def is_known() -> bool:
            return await status_from(router, "192.0.2.7") == 200

        await eventually(is_known)
        seen = [
            await status_from(router, address) for address in ("2001:db8::1", "198.51.100.7", "192.0.2.8", "nobody")
        ]
    assert seen == [200, 403, 200, 403]
