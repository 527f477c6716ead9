"""The clients of every API that the router speaks, each asking one question: what it said, and what it raised."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import ollama
import openai

from tests.support.running_router import SECRET

__all__ = ["CLIENTS", "ApiClient", "Told"]

HI: Any = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True)
class Told:
    """All that an application sees of one request."""

    text: str
    error: Exception | None = None
    status: int = 0
    """Of the answer that an error came with; 0: it came inside a stream, or there was none."""


@dataclass(frozen=True)
class ApiClient:
    """One API as its own library speaks it."""

    api: str
    """What usage records call it."""
    ask: Callable[[str, bool, list[str]], Awaitable[None]]
    """Ask the router at this URL, streamed or not, and put every piece of text into the list."""
    raises: type[Exception]
    """What the library raises for an answer that is an error."""

    async def told(self, url: str, is_stream: bool) -> Told:
        texts: list[str] = []
        try:
            await self.ask(url, is_stream, texts)
        except self.raises as error:
            return Told("".join(texts), error, getattr(error, "status_code", None) or 0)
        return Told("".join(texts))


def _openai(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=SECRET, max_retries=0)


async def _chat(url: str, is_stream: bool, texts: list[str]) -> None:
    async with _openai(url) as client:
        if not is_stream:
            answer = await client.chat.completions.create(model="tiny", messages=HI)
            texts.append(answer.choices[0].message.content or "")
            return
        async for part in await client.chat.completions.create(model="tiny", messages=HI, stream=True):
            texts += [choice.delta.content or "" for choice in part.choices]


async def _completion(url: str, is_stream: bool, texts: list[str]) -> None:
    async with _openai(url) as client:
        if not is_stream:
            answer = await client.completions.create(model="tiny", prompt="hi")
            texts.append(answer.choices[0].text)
            return
        async for part in await client.completions.create(model="tiny", prompt="hi", stream=True):
            texts += [choice.text for choice in part.choices]


async def _response(url: str, is_stream: bool, texts: list[str]) -> None:
    """A response that failed in its stream is an event, not an exception: it is raised here."""
    async with _openai(url) as client:
        if not is_stream:
            texts.append((await client.responses.create(model="tiny", input="hi")).output_text)
            return
        async for event in await client.responses.create(model="tiny", input="hi", stream=True):
            if event.type == "response.output_text.delta":
                texts.append(event.delta)
            elif event.type == "response.failed":
                assert event.response.error is not None
                raise ResponseFailed(event.response.error.message)


class ResponseFailed(openai.OpenAIError):
    """`response.failed` came."""


async def _message(url: str, is_stream: bool, texts: list[str]) -> None:
    asked: Any = {"model": "tiny", "messages": HI, "max_tokens": 9}
    async with anthropic.AsyncAnthropic(base_url=url, api_key=SECRET, max_retries=0) as client:
        if not is_stream:
            answer = await client.messages.create(**asked)
            texts += [block.text for block in answer.content if block.type == "text"]
            return
        async with client.messages.stream(**asked) as stream:
            async for text in stream.text_stream:
                texts.append(text)


async def _ollama_chat(url: str, is_stream: bool, texts: list[str]) -> None:
    async with ollama.AsyncClient(host=url, headers={"Authorization": f"Bearer {SECRET}"}) as client:
        if not is_stream:
            texts.append((await client.chat(model="tiny", messages=HI)).message.content or "")
            return
        async for part in await client.chat(model="tiny", messages=HI, stream=True):
            texts.append(part.message.content or "")


CLIENTS = (
    ApiClient("openai.chat", _chat, openai.OpenAIError),
    ApiClient("openai.completions", _completion, openai.OpenAIError),
    ApiClient("openai.responses", _response, openai.OpenAIError),
    ApiClient("anthropic.messages", _message, anthropic.AnthropicError),
    ApiClient("ollama.chat", _ollama_chat, ollama.ResponseError),
)
