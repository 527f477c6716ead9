"""The real llama.cpp with a tiny model, and a router in front of it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import LimitRecord
from roundhouse_node_agent.engines import xllamacpp_runner
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import Fleet, RunningRouter, api_key, endpoint, route
from tests.support.scheduler_stub import SMOLLM2

__all__ = ["CONTEXT_TOKENS", "llama_cpp", "served"]

CONTEXT_TOKENS = 2048
_TEMPLATE = Path(__file__).parents[1] / "fixtures" / "chat_templates" / "hermes_tools.jinja"


@asynccontextmanager
async def llama_cpp() -> AsyncIterator[str]:
    """Run it, with a chat template that knows tools; its URL."""
    port = free_port()
    command = [sys.executable, "-I", xllamacpp_runner.__file__, "--model", str(SMOLLM2), "--alias", "tiny"]
    options = ["--port", str(port), "--parallel", "2", "--context", str(CONTEXT_TOKENS)]
    template = ["--chat-template-file", str(_TEMPLATE)]
    with subprocess.Popen(
        [*command, *options, *template], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await eventually(lambda: _is_up(session), within_s=30)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@asynccontextmanager
async def served(
    state_dir: Path,
    engine_url: str,
    *,
    features: Sequence[Feature] = (Feature.CHAT, Feature.COMPLETIONS),
    limits: Sequence[LimitRecord] = (),
    **settings: Any,  # Any: settings of many types
) -> AsyncIterator[tuple[RunningRouter, Fleet]]:
    """Run a router whose model `tiny` is this engine."""
    async with Fleet() as fleet, RunningRouter(state_dir, fleet, **settings) as router:
        for record in limits:
            await fleet.put_limit(record)
        await fleet.put_key(api_key())
        await fleet.put_route(route())
        known = endpoint(engine_url, engine=EngineKind.LLAMA_CPP, engine_api_key="", features=tuple(features))
        await fleet.put_endpoints(known, context_tokens=CONTEXT_TOKENS)
        await router.ready()
        yield router, fleet


async def _is_up(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
