"""Models that come inside an installed Python package."""

import importlib
import importlib.util
import re
from pathlib import Path

from roundhouse_node_agent.domain.errors import ModelUnavailable

__all__ = ["PythonPackageResolver"]

_URI = re.compile(r"(?P<package>[A-Za-z_][A-Za-z0-9_]*)/(?P<resource>.+)")


class PythonPackageResolver:
    """`uri` is `package/resource`. The package is found, never imported: importing could run anything."""

    def resolve(self, uri: str) -> str:
        matched = _URI.fullmatch(uri)
        if matched is None:
            raise ModelUnavailable(f"{uri!r} is not of the form package/file")
        package, resource = matched["package"], matched["resource"]
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelUnavailable(f"the Python package {package} is not installed on this node")
        for location in spec.submodule_search_locations:
            root = Path(location).resolve()
            path = (root / resource).resolve()
            if path.is_relative_to(root) and path.is_file():
                return str(path)
        raise ModelUnavailable(f"the Python package {package} has no file {resource}")
