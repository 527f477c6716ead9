"""Providers that speak Replicate's API: models that are run by predictions.

A prediction is more than one request, so what `request` returns is not sent as it is: `Predictions` takes it on.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import Clock
from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.event_lines import EventSplitter
from roundhouse_router.domain.formats import ProviderRequest, StreamTranslator
from roundhouse_router.domain.translating import Translation
from roundhouse_router.formats.replicate_answer import ReplicateStream, as_openai_answer, as_openai_error
from roundhouse_router.formats.replicate_input import Parameters, check, prediction_input

__all__ = ["PredictionOrder", "ReplicateFormat", "read_order"]

_NAME: Final = re.compile(r"(deployments/)?([\w.-]+/[\w.-]+)(?::([0-9a-f]{6,64}))?")
"""`owner/name`, `owner/name:version`, or `deployments/owner/name`: it becomes part of a path."""
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class PredictionOrder(msgspec.Struct, frozen=True):
    """A request before the model's parameters are known."""

    path: str
    """Where predictions of the model are made."""
    model_path: str
    """Where its parameters are told; empty: of a deployment nobody tells them."""
    version: str
    operation: Operation
    is_stream: bool
    asked: msgspec.Raw
    """OpenAI's body."""

    def body(self, has: Parameters) -> bytes:
        """Return the body that makes the prediction. Raises BadBody."""
        made = {"input": prediction_input(bytes(self.asked), self.operation, has)}
        return msgspec.json.encode({"version": self.version, **made} if self.version else made)


_order: Final = msgspec.json.Decoder(PredictionOrder)


def read_order(body: bytes) -> PredictionOrder:
    """Return what `ReplicateFormat.request` wrote."""
    return _order.decode(body)


class ReplicateFormat:
    """Chats and completions of language models, and images."""

    stream_type: Final = b"text/event-stream"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def authorization(self, secret: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secret}"}

    def request(self, body: bytes, model: str, operation: Operation, *, is_stream: bool) -> ProviderRequest:
        found = _NAME.fullmatch(model)
        if found is None or ".." in model:
            raise BadBody(
                f"The model name {model[:200]!r} is none of Replicate's: 'owner/name' is expected.", param="model"
            )
        check(body, operation)
        deployment, name, version = found[1], found[2], found[3] or ""
        path = "/predictions" if version else f"/{'deployments' if deployment else 'models'}/{name}/predictions"
        model_path = "" if deployment else f"/models/{name}" + (f"/versions/{version}" if version else "")
        order = PredictionOrder(path, model_path, version, operation, is_stream, msgspec.Raw(body))
        return ProviderRequest(path, _NO_HEADERS, msgspec.json.encode(order))

    def status(self, status: int) -> int:
        return status

    def whole(self, status: int, body: bytes, model: str, operation: Operation) -> bytes:
        if status >= 400:
            return as_openai_error(status, body)
        return as_openai_answer(body, model, operation, self._clock)

    def stream(self, model: str, operation: Operation) -> StreamTranslator:
        stream = ReplicateStream(model, operation, self._clock)
        return Translation(EventSplitter(), stream.take, stream.end)
