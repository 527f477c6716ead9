"""A key for some networks is held to them at every path of the router, on the fast path as on the others."""

from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key
from tests.support.scripted_engine import Engine

PATHS = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/responses"),
    ("POST", "/api/chat"),
    ("POST", "/api/show"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/tiny"),
    ("GET", "/api/tags"),
)
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "input": "x"}


async def statuses(router: RunningRouter, **headers: str) -> dict[str, int]:
    found = {}
    for method, path in PATHS:
        body = CHAT if method == "POST" else None
        sent = {"authorization": f"Bearer {SECRET}", **{name.replace("_", "-"): one for name, one in headers.items()}}
        async with router.session.request(method, path, json=body, headers=sent) as answer:
            found[path] = answer.status
    return found


@pytest.mark.contract("B12")
async def test_every_path_refuses_a_key_from_elsewhere(router: RunningRouter, fleet: Fleet) -> None:
    assert 403 not in (await statuses(router)).values()
    await fleet.put_key(api_key(ip_ranges=("10.0.0.0/8",)))

    async def is_refused() -> bool:
        async with router.post() as answer:
            return bool(answer.status == 403)

    await eventually(is_refused)
    assert set((await statuses(router)).values()) == {403}
    assert set((await statuses(router, x_forwarded_for="10.0.0.1")).values()) == {403}, "nobody vouches for it"
    async with router.post() as answer:
        error = (await answer.json())["error"]
    assert (error["code"], error["type"]) == ("permission_denied", "invalid_request_error")
    assert "127.0.0.1" in error["message"]


async def test_a_trusted_proxy_says_where_a_request_comes_from(tmp_path: Path, fleet: Fleet, engine: Engine) -> None:
    async with RunningRouter(tmp_path, fleet, trusted_proxies=["127.0.0.0/8"]) as router:
        await fleet.serve(engine)
        await fleet.put_key(api_key(ip_ranges=("10.0.0.0/8",)))
        await router.ready()

        async def is_refused() -> bool:
            async with router.post() as answer:
                return bool(answer.status == 403)

        await eventually(is_refused)
        assert 403 not in (await statuses(router, x_forwarded_for="6.6.6.6, 10.0.0.1")).values()
        assert set((await statuses(router, x_forwarded_for="10.0.0.1, 6.6.6.6")).values()) == {403}
