"""Which files a model source stands for, as one short name: nodes, scheduler and catalog mean the same by it."""

import hashlib

import msgspec

from roundhouse_common.contracts.catalog import ModelSource

__all__ = ["source_key"]


def source_key(source: ModelSource) -> str:
    """Return 32 hex digits; equal sources have equal keys, whatever the order of their patterns."""
    ordered = msgspec.structs.replace(source, patterns=tuple(sorted(set(source.patterns))))
    return hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()[:32]
