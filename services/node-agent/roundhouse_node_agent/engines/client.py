"""Asking engines whether they are ready and how busy they are."""

from types import TracebackType

import aiohttp

from roundhouse_node_agent.domain.engine_run import EngineRun, EngineSample, Health
from roundhouse_node_agent.engines.engine import Engine, Probes
from roundhouse_node_agent.engines.prometheus_text import parse_metrics

__all__ = ["EngineClient"]

_MOST_BYTES = 4 * 1024 * 1024
_DETAIL_CHARACTERS = 200


class EngineClient:
    """An async context manager. Connections are not kept: an engine may spend a thread on each."""

    def __init__(self, *, timeout_s: float = 2.0) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "EngineClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=64), timeout=self._timeout, trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def health(self, engine: Engine, run: EngineRun) -> Health:
        """Look once at the readiness endpoint. What opens no port is ready while it runs."""
        probes = _probes(engine, run)
        if not probes.readiness:
            return Health(is_ready=True, detail="it opens no port; it runs")
        status, text = await self._get(run, probes.readiness)
        is_ready = status == 200 and probes.ready_words in text
        return Health(is_ready=is_ready, detail=text[:_DETAIL_CHARACTERS])

    async def sample(self, engine: Engine, run: EngineRun) -> EngineSample | None:
        """Read the metrics; None when they are not to be had now."""
        path = _probes(engine, run).metrics
        if not path:
            return None
        status, text = await self._get(run, path)
        return engine.sample(parse_metrics(text), run.assignment.version) if status == 200 else None

    async def _get(self, run: EngineRun, path: str) -> tuple[int, str]:
        assert self._session is not None
        headers = {"Authorization": f"Bearer {run.assignment.engine_api_key}"}
        try:
            async with self._session.get(run.base_url + path, headers=headers, allow_redirects=False) as response:
                return response.status, (await _body(response)).decode("utf-8", "replace")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return 0, str(error) or type(error).__name__


def _probes(engine: Engine, run: EngineRun) -> Probes:
    assignment = run.assignment
    rank = assignment.gang.rank if assignment.gang is not None else 0
    return engine.probes(assignment.version, served_name=assignment.deployment_name, rank=rank)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body up to a limit. One read returns what has arrived, which may be half of the metrics."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size >= _MOST_BYTES:
            break
    return b"".join(parts)[:_MOST_BYTES]
