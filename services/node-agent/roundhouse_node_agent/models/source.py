"""The seam for model files: one resolver per kind of source."""

from typing import Protocol

__all__ = ["ModelResolver"]


class ModelResolver(Protocol):
    """Resolves one kind of source to a local file or directory."""

    def resolve(self, uri: str) -> str:
        """Return an absolute path that exists. Blocks. Raises ModelUnavailable with where it was looked for."""
