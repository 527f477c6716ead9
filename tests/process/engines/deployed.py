"""Deployments of a test: a model in the catalog and a deployment of it, made and removed with the real command."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import openai

from tests.process.platform import Platform

__all__ = ["client_of", "deployed", "likeness"]


@contextmanager
def deployed(
    platform: Platform,
    name: str,
    *options: str,
    model: Sequence[str],
    parameters: Mapping[str, str] | None = None,
    is_awaited: bool = True,
    within_s: float = 120,
) -> Iterator[str]:
    """Yield the name once it runs, or at once; `model` are options of `models add`, `options` those of `deploy`."""
    settings = [word for key, value in (parameters or {}).items() for word in ("--set", f"{key}={value}")]
    platform.command("models", "add", name, *model, "--publish")
    try:
        waiting = ["--wait"] if is_awaited else []
        try:
            platform.command("deploy", name, *options, *settings, *waiting, timeout_s=within_s)
            yield name
        finally:
            platform.try_command("deployments", "stop", name)
            platform.command("deployments", "rm", name)
    finally:
        platform.try_command("models", "rm", name)


@contextmanager
def client_of(platform: Platform) -> Iterator[openai.OpenAI]:
    """Yield OpenAI's own client, pointed at the router."""
    connection = platform.connection
    with openai.OpenAI(
        base_url=f"{connection['router_url']}/v1", api_key=connection["api_key"], max_retries=0, timeout=120
    ) as client:
        yield client


def likeness(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the cosine of two embeddings."""
    lengths = math.hypot(*first) * math.hypot(*second)
    return sum(a * b for a, b in zip(first, second, strict=True)) / lengths
