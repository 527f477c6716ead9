"""Replicate's predictions, errors and streams as OpenAI's answers."""

from typing import Any, Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.event_lines import Event
from roundhouse_router.formats.told import ChunkWriter, decoded, error_body, usage, whole_answer

__all__ = [
    "ENDED",
    "PREDICTION_EVENT",
    "Prediction",
    "ReplicateStream",
    "as_openai_answer",
    "as_openai_error",
    "failed_status",
    "read_prediction",
]

PREDICTION_EVENT: Final = b"prediction"
"""The event that the router itself puts at the end of a stream: the prediction, with its figures."""
ENDED: Final = frozenset({"succeeded", "failed", "canceled", "aborted"})
_SUCCEEDED: Final = "succeeded"
_NULL: Final = msgspec.Raw(b"null")
_TOO_LONG: Final = ("context length", "context window", "too long", "maximum number of tokens")
_POLICY: Final = ("nsfw", "flagged", "content policy", "safety")


class _Metrics(msgspec.Struct):
    input_token_count: int | None = None
    output_token_count: int | None = None
    predict_time: float | None = None
    """Seconds of the machine, which Replicate charges for."""


class _Urls(msgspec.Struct):
    stream: str | None = None


class Prediction(msgspec.Struct):
    """One run of a model."""

    id: str
    status: str
    output: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    urls: _Urls = msgspec.field(default_factory=_Urls)
    metrics: _Metrics | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ENDED

    @property
    def is_good(self) -> bool:
        return self.status == _SUCCEEDED

    @property
    def fault(self) -> str:
        """Why it came to nothing."""
        return _words(self.error) or f"The provider's prediction was {self.status}."


class _Problem(msgspec.Struct):
    detail: str | None = None
    title: str | None = None


class _StreamError(msgspec.Struct):
    detail: str | None = None


class _Done(msgspec.Struct):
    reason: str | None = None


_prediction: Final = msgspec.json.Decoder(Prediction)
_text: Final = msgspec.json.Decoder(str)
_pieces: Final = msgspec.json.Decoder(list[str])
_problem: Final = msgspec.json.Decoder(_Problem)
_stream_error: Final = msgspec.json.Decoder(_StreamError)
_done: Final = msgspec.json.Decoder(_Done)
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_prediction(body: bytes) -> Prediction:
    """Return a prediction. Raises UpstreamFailed for what is none."""
    prediction: Prediction = decoded(body, _prediction, "prediction")
    return prediction


def failed_status(prediction: Prediction) -> int:
    """Return the status for a prediction that failed: Replicate has none for it, and says whose fault it was in words
    only."""
    return 502 if _code_of(prediction.fault) is None else 400


def as_openai_answer(body: bytes, model: str, operation: Operation, clock: Clock) -> bytes:
    """Return what a prediction made. Raises UpstreamFailed if it did not succeed."""
    prediction = read_prediction(body)
    if not prediction.is_good:
        raise UpstreamFailed(prediction.fault)
    pieces = _output(prediction)
    if operation is Operation.IMAGE:
        document = {"created": int(clock.now()), "data": [{"url": url} for url in pieces]}
        return msgspec.json.encode(document)
    return whole_answer(
        answer_id=prediction.id,
        created=int(clock.now()),
        model=model,
        operation=operation,
        message={"content": "".join(pieces)},
        finish="stop",
        usage=_usage(prediction),
    )


def as_openai_error(status: int, body: bytes) -> bytes:
    """Return an error as OpenAI has it, in the provider's words: of a request, or of a prediction that failed."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    try:
        prediction = _prediction.decode(body)
        return error_body(prediction.fault, kind=kind, code=_code_of(prediction.fault))
    except _FAULTS:
        pass
    try:
        told = _problem.decode(body)
    except _FAULTS:
        told = _Problem()
    message = told.detail or told.title or f"The provider answered with status {status} and did not say why."
    code = {402: "insufficient_quota", 404: "model_not_found", 429: "rate_limit_exceeded"}.get(status)
    return error_body(message, kind="insufficient_quota" if status == 402 else kind, code=code)


class ReplicateStream:
    """Takes the events of one stream: `output`, `error`, `done`, and the router's own `prediction`."""

    def __init__(self, model: str, operation: Operation, clock: Clock) -> None:
        self._writer = ChunkWriter(model, operation, clock)
        self._said: list[str] = []
        self._is_done = False
        self._is_over = False

    def take(self, event: Event) -> bytes:
        """Return the chunks for one event. Raises UpstreamFailed for an error, and for what is no prediction."""
        if self._is_over or (self._is_done and event.name != PREDICTION_EVENT):
            return b""
        match event.name:
            case b"output":
                return self._added(event.data.decode("utf-8", "replace"))
            case b"error":
                raise UpstreamFailed(_error_words(event.data))
            case b"done":
                reason = _reason(event.data)
                if reason:
                    raise UpstreamFailed(f"The provider's prediction ended early: {reason}.")
                self._is_done = True
                return b""
            case name if name == PREDICTION_EVENT:
                return self._ended(read_prediction(event.data))
        return b""

    def end(self) -> bytes:
        """Return the end. Raises UpstreamFailed if the provider did not say that it was one."""
        if self._is_over:
            return b""
        if not self._is_done:
            raise UpstreamFailed("The provider's stream ended before its answer did.")
        self._is_over = True
        return self._writer.ended("stop", None)

    def _ended(self, prediction: Prediction) -> bytes:
        if prediction.is_over and not prediction.is_good:
            raise UpstreamFailed(prediction.fault)
        if not prediction.is_over and not self._is_done:
            return b""
        self._is_over = True
        self._writer.id = self._writer.id or prediction.id
        # A model that does not stream has its whole output here, a stream that broke off the rest of it.
        said, whole = "".join(self._said), "".join(_output(prediction))
        rest = whole[len(said) :] if whole.startswith(said) else ""
        return self._added(rest) + self._writer.ended("stop", _usage(prediction))

    def _added(self, text: str) -> bytes:
        self._said.append(text)
        return self._writer.said(content=text) if text else b""


def _output(prediction: Prediction) -> list[str]:
    """Return the pieces of an output. Raises UpstreamFailed for one that is neither text nor a list of texts."""
    told = bytes(prediction.output)
    if told == b"null":
        return []
    if told.startswith(b'"'):
        return [decoded(told, _text, "output")]
    pieces: list[str] = decoded(told, _pieces, "output")
    return pieces


# Any: JSON documents that are only put together here.
def _usage(prediction: Prediction) -> dict[str, Any] | None:
    """Return the tokens, which its language models tell, and the time, which all do."""
    metrics = prediction.metrics
    if metrics is None or (metrics.input_token_count is None and metrics.output_token_count is None):
        return None
    told = usage(metrics.input_token_count or 0, metrics.output_token_count or 0)
    return told if metrics.predict_time is None else {**told, "predict_time": metrics.predict_time}


def _words(told: msgspec.Raw) -> str:
    try:
        return _text.decode(told)
    except _FAULTS:
        return "" if bytes(told) == b"null" else bytes(told).decode("utf-8", "replace")[:500]


def _error_words(data: bytes) -> str:
    try:
        return _stream_error.decode(data).detail or "The provider's prediction failed."
    except _FAULTS:
        return data.decode("utf-8", "replace")[:500] or "The provider's prediction failed."


def _reason(data: bytes) -> str:
    try:
        return _done.decode(data).reason or ""
    except _FAULTS:
        return ""


def _code_of(message: str) -> str | None:
    """Return OpenAI's code for what is told in words only: fallbacks go by it."""
    words = message.lower()
    if any(mark in words for mark in _TOO_LONG):
        return "context_length_exceeded"
    return "content_policy_violation" if any(mark in words for mark in _POLICY) else None
