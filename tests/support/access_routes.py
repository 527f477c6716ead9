"""Every endpoint of an application with what it declares that it needs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from roundhouse_common.auth import Subject
from roundhouse_common.http.permissions import Requirement

__all__ = ["Endpoint", "endpoints_of"]

_OWN = frozenset(("/api/v1/openapi.json",))
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path."""

    service: str
    method: str
    path: str
    requirements: tuple[Requirement, ...]
    query: tuple[str, ...]
    """Names of the parameters of its query."""

    @property
    def key(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    def permits(self, subject: Subject) -> bool:
        return all(one.met_by(subject) for one in self.requirements)

    def url(self, values: dict[str, str]) -> str:
        """Return the path with its parameters filled in; `x` for what has no value."""
        return _PARAMETER.sub(lambda found: values.get(found[1], "x"), self.path)


def endpoints_of(service: str, app: FastAPI) -> Iterator[Endpoint]:
    """Walk the routes, those of included routers too."""
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        if context.path in _OWN:
            continue
        assert isinstance(dependant, Dependant), f"{context.path} is no endpoint of FastAPI"
        parts = list(_all_of(dependant))
        for method in sorted(context.methods or ()):
            yield Endpoint(
                service=service,
                method=method,
                path=str(context.path),
                requirements=tuple(one.call for one in parts if isinstance(one.call, Requirement)),
                query=tuple(parameter.alias for one in parts for parameter in one.query_params),
            )


def _all_of(dependant: Dependant) -> Iterator[Any]:  # Any: FastAPI's own class
    yield dependant
    for one in dependant.dependencies:
        yield from _all_of(one)
