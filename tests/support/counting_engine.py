"""An engine in a process of its own, to be killed with -9: it counts, `1 2 3 ...`, and goes on from what was said.

`python -m tests.support.counting_engine COUNT PAUSE_S` prints its port and serves until its standard input closes.
It says nothing but an empty beginning before SIGUSR1, and then a number every PAUSE_S; half of them before SIGUSR2, so
that who kills it in the middle finds every stream there. `GET /asked` tells how many requests have come.
"""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.scripted_engine import DONE, Engine, Exchange, sse

__all__ = ["CountingEngine", "counting_engine"]


class CountingEngine:
    """The process, as a test handles it."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.port = port

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> int:
        """Return how many requests have come."""
        with urllib.request.urlopen(f"{self.base_url}/asked", timeout=10) as answer:
            return int(answer.read())

    def speak(self) -> None:
        """Let it begin."""
        self._process.send_signal(signal.SIGUSR1)

    def speak_on(self) -> None:
        """Let it say the second half too."""
        self._process.send_signal(signal.SIGUSR2)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()


@contextmanager
def counting_engine(count: int, pause_s: float) -> Iterator[CountingEngine]:
    """Run one that says so many numbers."""
    command = [sys.executable, "-m", "tests.support.counting_engine", str(count), str(pause_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield CountingEngine(process, int(process.stdout.readline()))
        finally:
            process.kill()


def _chunk(engine: str, content: str | None, **members: object) -> bytes:
    delta = {"role": "assistant", "content": ""} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return sse({"id": engine, "object": "chat.completion.chunk", "created": 1, "choices": [choice], **members})


async def _serve(count: int, pause_s: float) -> None:
    may_speak, may_end, asked, name = asyncio.Event(), asyncio.Event(), 0, f"engine-{os.getpid()}"
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, may_speak.set)
    loop.add_signal_handler(signal.SIGUSR2, may_end.set)

    async def counts(exchange: Exchange) -> None:
        nonlocal asked
        if exchange.path == "/asked":
            await exchange.whole(200, str(asked).encode(), "text/plain")
            return
        asked += 1
        last = exchange.json["messages"][-1]
        said = len(last["content"].split()) if last["role"] == "assistant" else 0
        await exchange.head()
        await exchange.send(_chunk(name, None))
        await may_speak.wait()
        for number in range(said + 1, count + 1):
            if number > count // 2:
                await may_end.wait()
            await exchange.send(_chunk(name, f"{number} "))
            await asyncio.sleep(pause_s)
        usage = {"prompt_tokens": 5 + said, "completion_tokens": count - said, "total_tokens": 5 + count}
        await exchange.send(sse({"id": name, "object": "chat.completion.chunk", "choices": [], "usage": usage}) + DONE)
        await exchange.end()

    async with Engine(counts) as engine:
        print(engine.port, flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
