"""Whether a provider takes its keys: what it is asked, and what its answer means. The catalog only asks for lists."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from roundhouse_catalog.domain.providers import Provider
from roundhouse_common.contracts.routing import ProviderFormat

__all__ = ["Answer", "CheckResult", "KeyCheck", "Question", "judge", "question_for"]

_ANTHROPIC_VERSION: Final = "2023-06-01"
_DETAIL_CHARACTERS: Final = 300
_PATHS: Final[Mapping[ProviderFormat, str]] = {
    ProviderFormat.OPENAI: "/models",
    ProviderFormat.ANTHROPIC: "/models",
    ProviderFormat.OLLAMA: "/api/tags",
    ProviderFormat.REPLICATE: "/account",
}
_KEY_PATHS: Final[Mapping[str, str]] = {"openrouter.ai": "/key"}
"""Providers that list their models to everybody: the list would say nothing about the key."""


class CheckResult(enum.StrEnum):
    """What became of asking with one key."""

    OK = "ok"
    REFUSED = "refused"
    """401, 402 or 403: the key is wrong, or has no credit or permission."""
    LIMITED = "limited"
    """429: the key is good, and may not be used now."""
    FAILED = "failed"
    """It answered something else, or the key could not be opened."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One GET."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """What the provider said to one key."""

    key_id: str
    last_four: str
    result: CheckResult
    detail: str
    models: tuple[str, ...] = ()


def question_for(provider: Provider, secret: str) -> Question:
    """Return what to ask; without a secret the provider is asked without a key."""
    path = _KEY_PATHS.get(urlsplit(provider.base_url).hostname or "", _PATHS[provider.format])
    headers = {**provider.headers, "accept": "application/json"}
    if provider.format is ProviderFormat.ANTHROPIC:
        headers = {"anthropic-version": _ANTHROPIC_VERSION, **headers, **({"x-api-key": secret} if secret else {})}
    elif secret:
        headers["authorization"] = f"Bearer {secret}"
    return Question(url=provider.base_url + path, headers=headers)


def judge(answer: Answer, *, secret: str) -> tuple[CheckResult, str, tuple[str, ...]]:
    """Return the result, what to tell about it, and the models that were named. No part of the secret is told."""
    match answer.status:
        case 200:
            models = _names(answer.body)
            return CheckResult.OK, f"{len(models)} models" if models else "it took the key", models
        case 401 | 402 | 403:
            return CheckResult.REFUSED, _said(answer, secret), ()
        case 429:
            return CheckResult.LIMITED, _said(answer, secret), ()
        case status if 300 <= status < 400:
            return (
                CheckResult.FAILED,
                f"{status}: it sends elsewhere, and is not followed; state the right base_url",
                (),
            )
        case 404 | 405:
            return CheckResult.FAILED, f"{_said(answer, secret)} (is the base_url right, up to /v1 or so?)", ()
        case _:
            return CheckResult.FAILED, _said(answer, secret), ()


def _names(body: bytes) -> tuple[str, ...]:
    """Return the models' names in OpenAI's, Anthropic's or Ollama's list; nothing of an answer that has none."""
    document = _document(body)
    found = document if isinstance(document, list) else None
    if isinstance(document, dict):
        found = next((document[key] for key in ("data", "models") if isinstance(document.get(key), list)), None)
    entries = [one for one in found or () if isinstance(one, dict)]
    names = [one.get("id") or one.get("name") or one.get("model") for one in entries]
    return tuple(name for name in names if isinstance(name, str) and name.isprintable())


def _said(answer: Answer, secret: str) -> str:
    """Return status and message, without the secret where the provider repeats it."""
    document = _document(answer.body)
    message = document
    for key in ("error", "message", "detail", "title"):
        if isinstance(message, dict) and message.get(key):
            message = message[key]
    text = message if isinstance(message, str) else ""
    if secret:
        text = text.replace(secret, "…")
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return f"{answer.status}{text and ': '}{text[:_DETAIL_CHARACTERS]}"


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
