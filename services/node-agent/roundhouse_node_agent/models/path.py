"""Models that lie on the node's disk already."""

import os
from pathlib import Path

from roundhouse_node_agent.domain.errors import ModelUnavailable

__all__ = ["PathResolver"]


class PathResolver:
    """`uri` is an absolute path. With `roots`, only what is below one of them may be used."""

    def __init__(self, roots: tuple[Path, ...] = ()) -> None:
        self._roots = tuple(root.resolve() for root in roots)

    def resolve(self, uri: str) -> str:
        path = Path(uri)
        if not path.is_absolute():
            raise ModelUnavailable(f"{uri!r} is not an absolute path")
        real = path.resolve()
        if self._roots and not any(real.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(str(root) for root in self._roots)
            raise ModelUnavailable(f"{uri} is not below a model directory of this node ({allowed})")
        if not real.exists():
            raise ModelUnavailable(f"{uri} does not exist on this node; put it there, or correct the model's path")
        if not os.access(real, os.R_OK):
            raise ModelUnavailable(f"{uri} cannot be read by the node agent")
        return str(path)
