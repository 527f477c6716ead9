"""Models that come inside an installed Python package."""

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from roundhouse_node_agent.domain.errors import ModelUnavailable

__all__ = ["PythonPackageResolver"]

_URI = re.compile(r"(?P<package>[A-Za-z_][A-Za-z0-9_]*)/(?P<resource>.+)")


class PythonPackageResolver:
    """`uri` is `package/resource`. The package is found, never imported: importing could run anything.

    It is looked for in the agent's own environment, then in those of engines: some bring their model with them.
    """

    def __init__(self, engine_pythons: Callable[[], Iterable[str]] = tuple) -> None:
        self._engine_pythons = engine_pythons

    def resolve(self, uri: str) -> str:
        matched = _URI.fullmatch(uri)
        if matched is None:
            raise ModelUnavailable(f"{uri!r} is not of the form package/file")
        package, resource = matched["package"], matched["resource"]
        is_installed = False
        for root in (*_own(package), *self._of_engines(package)):
            is_installed = True
            path = (root / resource).resolve()
            if path.is_relative_to(root) and path.is_file():
                return str(path)
        if is_installed:
            raise ModelUnavailable(f"the Python package {package} has no file {resource}")
        raise ModelUnavailable(
            f"the Python package {package} is not installed on this node, neither beside its agent nor with an engine"
        )

    def _of_engines(self, package: str) -> Iterator[Path]:
        for python in self._engine_pythons():
            for found in Path(python).parent.parent.glob(f"lib/python3*/site-packages/{package}"):
                yield found.resolve()


def _own(package: str) -> list[Path]:
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(package)
    return [Path(location).resolve() for location in (spec and spec.submodule_search_locations) or ()]
