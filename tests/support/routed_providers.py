"""A router whose route `tiny` leads to a scripted provider, asked by OpenAI's client."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from roundhouse_common.contracts.routing import ProviderRecord, RouteTarget, RouteTimeouts
from tests.support.eventually import eventually
from tests.support.running_router import SECRET, Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scripted_engine import Engine, Script
from tests.support.scripted_providers import PROVIDERS, ScriptedProvider

__all__ = ["HI", "client", "every_format", "routed", "streamed", "whole"]

HI: Any = [{"role": "user", "content": "hi"}]
QUICK = RouteTimeouts(first_token_s=0.3, idle_s=0.3)
every_format = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.format.value)


@contextlib.asynccontextmanager
async def routed(
    tmp_path: Path, fleet: Fleet, provider: ScriptedProvider, script: Script, *, engine: Engine | None = None
) -> AsyncIterator[tuple[RunningRouter, Engine]]:
    """Run a router whose route `tiny` leads to the provider, and to the engine when that fails."""
    async with Engine(script) as outside, RunningRouter(tmp_path, fleet) as router:
        record = ProviderRecord(
            provider_id="prv_1",
            name="outside",
            tenant_id="",
            format=provider.format,
            base_url=f"{outside.base_url}{provider.base_path}",
        )
        first = RouteTarget(provider_id="prv_1", model=provider.model)
        targets = (first, RouteTarget(deployment_id="dep_1", priority=1)) if engine else (first,)
        await fleet.put_key(api_key())
        await fleet.put_provider(record)
        await fleet.put_endpoints(*([endpoint(engine.base_url)] if engine else []))
        await fleet.put_route(route(targets=targets, timeouts=QUICK))
        await router.ready()
        await eventually(lambda: _lists(router))
        yield router, outside


async def _lists(router: RunningRouter) -> bool:
    async with client(router) as asks:
        return bool([model async for model in asks.models.list()])


def client(router: RunningRouter) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key=SECRET, max_retries=0)


async def streamed(router: RunningRouter) -> tuple[str, openai.APIError | None]:
    """Return the text of a stream, and what it ended with."""
    said = ""
    async with client(router) as asks:
        try:
            stream = await asks.chat.completions.create(model="tiny", messages=HI, stream=True)
            async for part in stream:
                said += "".join(choice.delta.content or "" for choice in part.choices)
        except openai.APIError as error:
            return said, error
    return said, None


async def whole(router: RunningRouter) -> ChatCompletion:
    async with client(router) as asks:
        return await asks.chat.completions.create(model="tiny", messages=HI)
