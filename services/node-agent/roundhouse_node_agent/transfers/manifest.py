"""What a model consists of, as it is kept beside its files and as one node tells it to another."""

import msgspec

from roundhouse_common.contracts.catalog import ModelSource

__all__ = ["Manifest", "ManifestFile"]


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    """Within the model, with `/` between its parts."""
    size: int
    sha256: str = ""
    """Empty only for files that were adopted."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /models/{key}` of a node's file server, and `manifest.json` of a tree in the store."""

    source: ModelSource
    revision: str = ""
    files: tuple[ManifestFile, ...]
    adopted_path: str = ""
    """Where the files of an adopted model are, outside the store; never told to other nodes."""
