"""What kind of model an entry of a LiteLLM `model_list` is: as it says, else as its name tells."""

import re
from collections.abc import Mapping
from typing import Final

from roundhouse_catalog.domain.findings import quoted
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_common.contracts.catalog import ModelKind

__all__ = ["kind_of_entry"]

_MODES: Final[Mapping[str, ModelKind]] = {
    "chat": ModelKind.CHAT,
    "responses": ModelKind.CHAT,
    "completion": ModelKind.COMPLETION,
    "embedding": ModelKind.EMBEDDING,
    "rerank": ModelKind.RERANK,
    "image_generation": ModelKind.IMAGE,
    "audio_speech": ModelKind.SPEECH,
    "audio_transcription": ModelKind.TRANSCRIPTION,
}
_TOLD: Final = (
    (re.compile(r"^text-completion-|gpt-3\.5-turbo-instruct|(davinci|babbage)-002"), ModelKind.COMPLETION),
    (re.compile(r"embed|(^|/)bge-(?!rerank)"), ModelKind.EMBEDDING),
    (re.compile(r"rerank"), ModelKind.RERANK),
    (re.compile(r"dall-e|gpt-image|stable-diffusion|sdxl|(^|[/-])flux"), ModelKind.IMAGE),
    (re.compile(r"whisper|-transcribe"), ModelKind.TRANSCRIPTION),
    (re.compile(r"(^|[/-])tts(-|$)"), ModelKind.SPEECH),
)


def kind_of_entry(place: str, entry: Mapping[str, object], model: str, report: Report) -> ModelKind:
    """Return the kind. A name that tells nothing is a chat model's."""
    info = entry.get("model_info")
    mode = info.get("mode") if isinstance(info, dict) else None
    if mode is not None and (stated := _MODES.get(str(mode))):
        return stated
    kind = next((kind for pattern, kind in _TOLD if pattern.search(model.lower())), ModelKind.CHAT)
    if mode is not None:
        report.left_out(f"{place}.model_info.mode", f"{quoted(str(mode))} is no kind of model here; {kind} is assumed")
    elif kind is not ModelKind.CHAT:
        report.changed(place, f"by its name a model of the kind {kind}; model_info.mode states another")
    return kind
