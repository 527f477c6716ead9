"""Which files a model source stands for, as one short name: nodes, scheduler and catalog mean the same by it."""

import hashlib

import msgspec

from roundhouse_common.contracts.catalog import ModelSource, SourceKind

__all__ = ["shown_uri", "source_key"]


def source_key(source: ModelSource) -> str:
    """Return 32 hex digits; equal sources have equal keys, whatever the order of their patterns."""
    ordered = msgspec.structs.replace(source, patterns=tuple(sorted(set(source.patterns))))
    return hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()[:32]


def shown_uri(source: ModelSource) -> str:
    """Return the source's uri as it may be shown and logged: of an upload its id, without the secret to read it."""
    if source.kind is not SourceKind.UPLOAD:
        return source.uri
    return source.uri.partition("?")[0].rpartition("/")[2]
