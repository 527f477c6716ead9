"""Requests beside the browser, so that there is something to be seen in it."""

import time

import httpx

from tests.process.platform import DEMO, Platform

__all__ = ["chat", "make_key"]

_IN_FORCE_S = 10.0
"""A key that was made is in force within a second; a busy machine takes its time."""


def make_key(stage: Platform, name: str) -> str:
    """Return the secret of a key that routers take by now."""
    made = stage.ask(lambda services: services.catalog.post("/api/v1/api-keys", {"name": name}))
    secret: str = made["secret"]
    deadline = time.monotonic() + _IN_FORCE_S
    with _router(stage, secret) as router:
        while router.get("/v1/models").status_code == httpx.codes.UNAUTHORIZED:
            assert time.monotonic() < deadline, f"the key {name} is not in force"
    return secret


def chat(stage: Platform, key: str, times: int = 1) -> None:
    """Ask the real chat model for four tokens."""
    body = {"model": DEMO, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
    with _router(stage, key) as router:
        for _ in range(times):
            router.post("/v1/chat/completions", json=body).raise_for_status()


def _router(stage: Platform, key: str) -> httpx.Client:
    transport = httpx.HTTPTransport(retries=3)
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=stage.connection["router_url"], headers=headers, transport=transport, timeout=60)
