"""Outside providers, one for each API that they may speak: they say what a test wants, and fail where it wants."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from roundhouse_common.contracts.routing import ProviderFormat
from tests.support.scripted_engine import DONE, Exchange, Script, chunk, completion, sse, usage_chunk

__all__ = ["PROVIDERS", "ScriptedProvider"]

# Any: JSON documents.


@dataclass(frozen=True)
class ScriptedProvider:
    """One API: the bytes of its answers and streams. Every good answer has 5 input and 2 output tokens."""

    format: ProviderFormat
    base_path: str
    model: str
    whole: Callable[[str], Any]
    """Its answer with this text."""
    refusal: Callable[[str], Any]
    """Its error with these words."""
    kind: str
    """Content type of its streams."""
    begin: bytes
    """What a stream says before there is anything to show."""
    said: Callable[[str], bytes]
    failed: bytes
    """An error `no memory` inside a stream."""
    end: bytes
    broken: bytes = b"data: {\n\n"
    over: Callable[[Script], Script] = field(default=lambda script: script)
    """The whole conversation around the request that a script answers."""

    def answers(self, status: int, text: str, **headers: str) -> Script:
        """Answer with a text, or refuse with these words."""

        async def script(exchange: Exchange) -> None:
            body = self.whole(text) if status == 200 else self.refusal(text)
            await exchange.whole(status, json.dumps(body).encode(), **headers)

        return self.over(script)

    def streams(self, *pieces: bytes, then: Callable[[Exchange], Awaitable[None]] | None = None) -> Script:
        """Stream the pieces, and then do something, or end."""

        async def script(exchange: Exchange) -> None:
            await exchange.head(kind=self.kind)
            for piece in pieces:
                await exchange.send(piece)
            await (exchange.end() if then is None else then(exchange))

        return self.over(script)


def _event(kind: str, **body: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode()


_ANTHROPIC_BEGUN: Any = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 1},
}


def _anthropic_whole(text: str) -> Any:
    usage = {"input_tokens": 5, "output_tokens": 2}
    content = [{"type": "text", "text": text}]
    return {**_ANTHROPIC_BEGUN, "content": content, "stop_reason": "end_turn", "usage": usage}


def _ollama_line(text: str = "", **more: Any) -> Any:
    return {"created_at": "x", "message": {"role": "assistant", "content": text}, "done": False, **more}


_OLLAMA_LAST: Any = {"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2}
_METRICS = {"input_token_count": 5, "output_token_count": 2, "predict_time": 0.5}


def _prediction(status: str, **more: Any) -> Any:
    return {"id": "p1", "status": status, "output": None, "error": None, **more}


def _lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def _replicate(script: Script) -> Script:
    """A prediction: a whole one is there when it is made; of a stream the script is what its address leads to."""

    async def conversation(exchange: Exchange) -> None:
        if exchange.path.endswith("/cancel"):
            await exchange.whole(200, b"{}")
        elif exchange.path.endswith("/stream"):
            await script(exchange)
        elif exchange.path.endswith("/predictions/p1"):
            done = _prediction("succeeded", output=["hello"], metrics=_METRICS)
            await exchange.whole(200, json.dumps(done).encode())
        elif not exchange.body:  # what the model's parameters are
            await exchange.whole(404, b'{"detail":"not found"}')
        elif "prefer" in exchange.headers:
            await script(exchange)
        else:
            urls = {"stream": f"http://{exchange.headers['host']}/v1/stream"}
            await exchange.whole(201, json.dumps(_prediction("starting", urls=urls)).encode())

    return conversation


PROVIDERS = (
    ScriptedProvider(
        format=ProviderFormat.OPENAI,
        base_path="/v1",
        model="gpt-x",
        whole=lambda text: completion(text, prompt=5, output=2),
        refusal=lambda words: {"error": {"message": words, "type": "x", "param": None, "code": None}},
        kind="text/event-stream",
        begin=sse({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
        said=chunk,
        failed=sse({"error": {"message": "no memory"}}),
        end=sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + usage_chunk(5, 2) + DONE,
    ),
    ScriptedProvider(
        format=ProviderFormat.ANTHROPIC,
        base_path="/v1",
        model="claude-x",
        whole=_anthropic_whole,
        refusal=lambda words: {"type": "error", "error": {"type": "overloaded_error", "message": words}},
        kind="text/event-stream",
        begin=_event("message_start", message=_ANTHROPIC_BEGUN)
        + _event("ping")
        + _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        said=lambda text: _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
        failed=_event("error", error={"type": "overloaded_error", "message": "no memory"}),
        end=_event("content_block_stop", index=0)
        + _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
        + _event("message_stop"),
    ),
    ScriptedProvider(
        format=ProviderFormat.OLLAMA,
        base_path="",
        model="llama3",
        whole=lambda text: _ollama_line(text, **_OLLAMA_LAST),
        refusal=lambda words: {"error": words},
        kind="application/x-ndjson",
        begin=_lines(_ollama_line()),
        said=lambda text: _lines(_ollama_line(text)),
        failed=_lines({"error": "no memory"}),
        end=_lines(_ollama_line(**_OLLAMA_LAST)),
        broken=b"{\n",
    ),
    ScriptedProvider(
        format=ProviderFormat.REPLICATE,
        base_path="/v1",
        model="meta/llama",
        whole=lambda text: _prediction("succeeded", output=[text], metrics=_METRICS),
        refusal=lambda words: {"detail": words},
        kind="text/event-stream",
        begin=b": hi\n\n",
        said=lambda text: f"event: output\nid: 1\ndata: {text}\n\n".encode(),
        failed=b'event: error\ndata: {"detail":"no memory"}\n\n',
        end=b"event: done\ndata: {}\n\n",
        broken=b'event: done\ndata: {"reason":"error"}\n\n',
        over=_replicate,
    ),
)
