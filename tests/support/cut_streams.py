"""Streams that are cut anywhere, through whatever translates them."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from roundhouse_router.domain.formats import StreamTranslator

__all__ = ["CUTS", "cut", "events_of", "lines_of", "translated"]

CUTS = st.lists(st.integers(0, 5000), max_size=12)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """Return the data in pieces."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def translated(translator: StreamTranslator, data: bytes, at: Sequence[int] = ()) -> bytes:
    """Return all that comes out."""
    return b"".join([translator.feed(piece) for piece in cut(data, at)]) + translator.finish()


def lines_of(stream: bytes) -> list[Any]:  # Any: JSON documents
    """Return the documents of a stream of JSON lines."""
    assert stream.endswith(b"\n")
    return [json.loads(line) for line in stream.splitlines()]


def events_of(stream: bytes) -> list[Any]:  # Any: JSON documents
    """Return the data of OpenAI's events, `[DONE]` as a text."""
    assert stream.endswith(b"\n\n")
    data = [event.removeprefix(b"data: ") for event in stream.split(b"\n\n") if event]
    return ["[DONE]" if one == b"[DONE]" else json.loads(one) for one in data]
