"""Asks providers over HTTP: once per key, with a deadline, and never beyond the address that was stated."""

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from roundhouse_catalog.domain.provider_check import Answer, CheckResult, KeyCheck, judge, question_for
from roundhouse_catalog.domain.providers import Provider, SealedKey
from roundhouse_common.secret_box import SecretBoxFault, SecretFile

__all__ = ["ask_provider"]

_AT_ONCE: Final = 8
_MOST_BYTES: Final = 8 * 1024 * 1024
_CONNECT_S: Final = 5.0


async def ask_provider(provider: Provider, secrets: SecretFile, *, timeout_s: float) -> Sequence[KeyCheck]:
    """Return what the provider says to each key, or to none where it has none. Never raises for what it says."""
    limit = asyncio.Semaphore(_AT_ONCE)
    timeout = httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s))
    async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as http:

        async def one(key: SealedKey | None) -> KeyCheck:
            async with limit:
                return await _ask(http, provider, key, secrets, timeout_s=timeout_s)

        return await asyncio.gather(*(one(key) for key in provider.keys or (None,)))


async def _ask(
    http: httpx.AsyncClient, provider: Provider, key: SealedKey | None, secrets: SecretFile, *, timeout_s: float
) -> KeyCheck:
    models: tuple[str, ...] = ()
    try:
        secret = secrets.box().open(key.sealed) if key else ""
        async with asyncio.timeout(timeout_s):
            result, detail, models = judge(await _get(http, provider, secret), secret=secret)
    except SecretBoxFault as error:
        result, detail = CheckResult.FAILED, error.message
    except (TimeoutError, httpx.TimeoutException):
        result, detail = CheckResult.UNREACHABLE, f"no answer within {timeout_s:g} s"
    except (httpx.TransportError, httpx.InvalidURL) as error:
        result, detail = CheckResult.UNREACHABLE, str(error) or type(error).__name__
    return KeyCheck(
        key_id=key.key_id if key else "",
        last_four=key.last_four if key else "",
        result=result,
        detail=detail,
        models=models,
    )


async def _get(http: httpx.AsyncClient, provider: Provider, secret: str) -> Answer:
    question = question_for(provider, secret)
    body = bytearray()
    async with http.stream("GET", question.url, headers=dict(question.headers)) as answer:
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES:
                break
    return Answer(status=answer.status_code, body=bytes(body))
