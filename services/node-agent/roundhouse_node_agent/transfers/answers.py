"""What an answer of 200, 206 or 416 says about the file behind it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from roundhouse_node_agent.transfers.part_queue import Span

__all__ = ["Extent", "extent_of", "range_headers", "validator_of"]

_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_EMPTY: Final = re.compile(r"bytes \*/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Which bytes an answer has, of how many."""

    start: int
    end: int
    """The first byte after it; -1: not said."""
    total: int
    """-1: not said."""
    is_part: bool


def extent_of(status: int, headers: Mapping[str, str]) -> Extent | None:
    """Return what an answer has; None when it does not say so in a way that can be relied on."""
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        return None
    stated = headers.get("Content-Range", "").strip()
    if status == 200:
        length = headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else -1
        return Extent(start=0, end=total, total=total, is_part=False)
    if status == 416:
        return Extent(start=0, end=0, total=0, is_part=False) if _EMPTY.fullmatch(stated) else None
    found = _RANGE.fullmatch(stated)
    if found is None:
        return None
    start, last, total = map(int, found.groups())
    return Extent(start=start, end=last + 1, total=total, is_part=True) if start <= last < total else None


def validator_of(headers: Mapping[str, str]) -> str:
    """Return what tells one state of a file from another; empty when the server tells nothing."""
    return headers.get("ETag", "") or headers.get("Last-Modified", "")


def range_headers(span: Span, validator: str = "") -> dict[str, str]:
    """Return what asks for a part; with a validator, only if the file is still the same."""
    headers = {"Range": f"bytes={span.offset}-{span.end - 1}"}
    if validator and not validator.startswith("W/"):  # a weak one must not be asked about (RFC 9110, 13.1.5)
        headers["If-Range"] = validator
    return headers
