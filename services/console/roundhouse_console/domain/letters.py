"""Dead letters as people look at them."""

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["SERVICES", "letter_text", "subject_words"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
SERVICES: Final = ("catalog", "scheduler", "metering")
"""Those that consume events, each with dead letters of its own."""
_MOST: Final = 20_000
"""Characters of a payload that are shown."""


def letter_text(letter: Found) -> str:
    """Return a letter's payload for reading, cut where it is long; bytes that are no JSON as base64."""
    payload = letter["payload"]
    is_json = letter["payload_encoding"] == "json"
    text = json.dumps(payload, indent=2, ensure_ascii=False) if is_json else str(payload)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def subject_words(subject: str) -> str:
    """Return what a subject is about, without its kind and version: `catalog.deployment.changed`."""
    parts = subject.split(".")
    return ".".join(parts[3:6]) if len(parts) > 5 and parts[0] == "rh" else subject
