"""Clients that stream chat completions one after the other and keep count of what they got."""

import asyncio
import json
from types import TracebackType

import aiohttp

from tests.process.platform import DEMO


class Traffic:
    """`clients` concurrent streaming clients, from `async with` until its end.

    Every request must end with a finish reason, a usage chunk and `[DONE]`; anything else is a failure in words.
    """

    def __init__(
        self,
        router_url: str,
        api_key: str,
        *,
        clients: int = 3,
        max_tokens: int = 12,
        model: str = DEMO,
        rest_s: float = 0.3,
    ) -> None:
        """`rest_s` is how long a client waits between two requests: without it the engine takes every core."""
        self._url = f"{router_url}/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._body = {
            "model": model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": "Count from one to twenty."}],
        }
        self._clients = clients
        self._rest_s = rest_s
        self._stopping = asyncio.Event()
        self._progress = asyncio.Condition()
        self.completed = 0
        self.output_tokens = 0
        self.failures: list[str] = []
        self.request_ids: list[str] = []
        """Of the completed requests, as the router's answers named them."""

    async def __aenter__(self) -> "Traffic":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        self._tasks = [asyncio.create_task(self._client(), name=f"client-{n}") for n in range(self._clients)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        await self._session.close()

    async def more(self, requests: int, *, within_s: float = 90) -> None:
        """Wait until this many further requests have completed."""
        wanted = self.completed + requests
        async with asyncio.timeout(within_s), self._progress:
            await self._progress.wait_for(lambda: self.completed >= wanted or self.failures)

    async def _client(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._request()
            except (aiohttp.ClientError, TimeoutError, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            async with self._progress:
                self._progress.notify_all()
            await asyncio.sleep(self._rest_s)

    async def _request(self) -> None:
        finished, usage, done = False, None, False
        async with self._session.post(self._url, json=self._body, headers=self._headers) as answer:
            if answer.status != 200:
                raise AssertionError(f"status {answer.status}: {await answer.text()}")
            async for line in answer.content:
                if line.strip() == b"data: [DONE]":
                    done = True
                elif line.startswith(b"data: "):
                    chunk = json.loads(line[6:])
                    assert "error" not in chunk, f"error in stream: {chunk}"
                    usage = chunk.get("usage") or usage
                    finished = finished or any(choice.get("finish_reason") for choice in chunk["choices"])
        assert finished, "the stream had no finish reason"
        assert usage is not None, "the stream had no usage"
        assert done, "the stream had no [DONE]"
        self.completed += 1
        self.request_ids.append(answer.headers["x-request-id"])
        self.output_tokens += usage["completion_tokens"]
