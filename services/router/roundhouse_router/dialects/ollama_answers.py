"""OpenAI's answers as Ollama has them: the parts that whole answers and streams share."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from roundhouse_common.runtime import UnixTime
from roundhouse_router.domain.chat_wire import Timings, ToolCall
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.tokens import TokenCounts

__all__ = ["Spans", "as_time", "done_reason", "embedded", "figures", "log_probabilities", "tool_calls"]

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_REASONS: Final = {"tool_calls": "stop", "function_call": "stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How long an answer took, in seconds, as seen from here."""

    total_s: float
    first_s: float
    """Until the first token; 0: it was not seen."""


class _TokenLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Logprob(_TokenLogprob):
    top_logprobs: list[_TokenLogprob] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Logprob] | None = None


class _Embedding(msgspec.Struct):
    embedding: msgspec.Raw
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]
    usage: _Usage | None = None


_logprobs: Final = msgspec.json.Decoder(_Logprobs)
_embeddings: Final = msgspec.json.Decoder(_Embeddings)
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def as_time(now: UnixTime) -> str:
    """Return a time as Ollama writes it: RFC 3339."""
    told = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(timespec="microseconds")
    return f"{told.removesuffix('+00:00')}Z"


def done_reason(finish_reason: str | None) -> str:
    return _REASONS.get(finish_reason or "stop", finish_reason or "stop")


# Any: members of a JSON document that is only put together here.
def figures(counts: TokenCounts | None, timings: Timings | None, spans: Spans) -> dict[str, Any]:
    """Return tokens and times, in nanoseconds: the engine's own measure where it tells, else what was seen from here.

    No load is ever part of a request here: replicas have their model loaded.
    """
    counts = counts or TokenCounts()
    prompt_s, eval_s = spans.first_s, spans.total_s - spans.first_s
    if timings is not None and (timings.prompt_ms or timings.predicted_ms):
        prompt_ns, eval_ns = timings.prompt_ms * _NS_PER_MS, timings.predicted_ms * _NS_PER_MS
    else:
        prompt_ns, eval_ns = prompt_s * _NS_PER_S, eval_s * _NS_PER_S
    return {
        "total_duration": int(spans.total_s * _NS_PER_S),
        "load_duration": 0,
        "prompt_eval_count": counts.all_input,
        "prompt_eval_duration": int(prompt_ns),
        "eval_count": counts.all_output,
        "eval_duration": int(eval_ns),
    }


def tool_calls(calls: Sequence[ToolCall], *, is_cut: bool) -> list[dict[str, Any]]:
    """Return calls with their arguments as objects. Raises UpstreamFailed for arguments that are none.

    Of an answer that was cut at its limit, a call that is not whole is left out.
    """
    made = []
    for place, call in enumerate(calls):
        function = call.function
        name, text = (function.name or "", function.arguments or "{}") if function else ("", "{}")
        try:
            arguments = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except _FAULTS:
            if is_cut:
                continue
            raise UpstreamFailed(
                f"The model called the tool '{name[:100]}' with arguments that are no JSON object: {text[:200]}"
            ) from None
        shown: dict[str, Any] = {"function": {"index": place, "name": name, "arguments": arguments}}
        made.append({"id": call.id, **shown} if call.id else shown)
    return made


def log_probabilities(told: msgspec.Raw) -> dict[str, Any]:
    """Return `logprobs` as a member, if the engine told any."""
    if bytes(told) == b"null":
        return {}
    try:
        content = _logprobs.decode(told).content
    except _FAULTS:
        return {}
    return {"logprobs": content} if content else {}


def embedded(body: bytes) -> tuple[list[msgspec.Raw], int]:
    """Return the vectors of OpenAI's answer in order, as bytes, and the tokens of the texts. Raises UpstreamFailed."""
    try:
        answer = _embeddings.decode(body)
    except _FAULTS as error:
        raise UpstreamFailed(f"The engine's embeddings could not be read: {error}.") from None
    vectors = [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
    return vectors, (answer.usage.prompt_tokens or 0) if answer.usage else 0
