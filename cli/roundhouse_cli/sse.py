"""Chat completions from the router, word by word."""

import json
from collections.abc import Generator, Iterator

from roundhouse_cli.errors import Failure
from roundhouse_cli.rest import Api, Item

__all__ = ["deltas", "stream_chat"]


def stream_chat(router: Api, model: str, messages: list[Item], **options: object) -> Generator[str]:
    """Yield the answer as it comes. Closing the iterator cancels the request, and the engine's work with it."""
    body: Item = {"model": model, "messages": messages, "stream": True}
    body |= {name: value for name, value in options.items() if value is not None}
    with router.lines("/v1/chat/completions", body) as lines:
        yield from deltas(lines)


def deltas(lines: Iterator[str]) -> Iterator[str]:
    """Yield the pieces of text in a stream of server-sent events. Raises Failure when the stream tells an error."""
    for line in lines:
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or not data:
            continue
        if data == "[DONE]":
            return
        event = json.loads(data)
        if error := event.get("error"):
            raise Failure(f"The answer broke off: {error.get('message', error)}")
        for choice in event.get("choices", []):
            if text := choice.get("delta", {}).get("content"):
                yield text
