"""Deployments that cannot work, and what `roundhouse deployments show` says of them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx

from tests.process.platform import Platform, until

__all__ = ["Failing", "deploy_failing", "told"]


@dataclass(frozen=True, kw_only=True)
class Failing:
    """One way to fail, and what must be said."""

    name: str
    kind: str
    """The class."""
    words: tuple[str, ...]
    """Parts of the cause and of what to do."""
    line: str = ""
    """Part of a decisive line of the log; empty: the engine was not started."""
    engine: str = "llama.cpp"
    memory_bytes: int = 600 * 1024**2
    resources: Mapping[str, object] = field(default_factory=dict)
    path: str = ""
    model_kind: str = "chat"
    parameters: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def deploy_failing(platform: Platform, cases: Iterable[Failing]) -> Iterator[None]:
    """Deploy them all; nothing of them is left afterwards."""
    connection = platform.connection
    headers = {"authorization": f"Bearer {connection['admin_token']}", "if-match": "*"}
    with httpx.Client(base_url=f"{connection['catalog_url']}/api/v1", headers=headers) as catalog, ExitStack() as made:
        for case in cases:
            made.callback(_remove, catalog, "models", _post(catalog, "/models", _model(case)))
            made.callback(_remove, catalog, "deployments", _post(catalog, "/deployments", _deployment(case)))
        yield


def _model(case: Failing) -> dict[str, object]:
    source = {"kind": "path", "uri": case.path}
    return {"name": case.name, "kind": case.model_kind, "source": source, "is_published": True}


def _deployment(case: Failing) -> dict[str, object]:
    return {
        "name": case.name,
        "model": case.name,
        "engine": case.engine,
        "parameters": dict(case.parameters),
        "resources": {"memory_bytes": case.memory_bytes, **case.resources},
        "replicas": 1,
    }


def _post(catalog: httpx.Client, path: str, body: Mapping[str, object]) -> str:
    answer = catalog.post(path, json=body)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    made: str = answer.json()["id"]
    return made


def _remove(catalog: httpx.Client, kind: str, key: str) -> None:
    if kind == "deployments":
        catalog.post(f"/deployments/{key}:stop")
    deadline = time.monotonic() + 30
    while (answer := catalog.delete(f"/{kind}/{key}")).is_error:
        assert answer.status_code == httpx.codes.CONFLICT, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


async def told(platform: Platform, case: Failing, *, within_s: float = 30) -> str:
    """Return what `deployments show` prints once it tells the class; fail with what it printed last."""
    shown = ""

    def look() -> bool:
        nonlocal shown
        shown = platform.command("deployments", "show", case.name)
        return f"{case.kind}: " in shown and (not case.line or case.line in shown)

    try:
        await until(look, within_s=within_s, what=f"{case.name} is told as {case.kind}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{shown}") from error
    return shown
