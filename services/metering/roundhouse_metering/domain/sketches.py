"""Quantiles of many values from few numbers, that can be merged: a DDSketch without a limit on its bins.

A value falls into the bin `ceil(log(value, GAMMA))`; what is told of a bin is at most `RELATIVE_ERROR` away from every
value in it. Merging adds counts, so it loses nothing, in whatever order. Values are whole microseconds: from 1 us to
a day there are 630 bins, and a model's latencies fill some dozen of them.

C. Masson, J. Rim, H. Lee: DDSketch, VLDB 2019.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

__all__ = ["GAMMA", "RELATIVE_ERROR", "Sketch", "bin_of", "merge", "packed", "quantile", "unpacked"]

RELATIVE_ERROR: Final = 0.02
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA: Final = math.log(GAMMA)
_log = math.log

Sketch = dict[int, int]
"""Bin -> how many values are in it."""
_decoder: Final = msgspec.msgpack.Decoder(Sketch)
_encoder: Final = msgspec.msgpack.Encoder()


def bin_of(value: int) -> int:
    """Return the bin of a value; everything up to 1 is in bin 0."""
    return math.ceil(_log(value) / _LOG_GAMMA) if value > 1 else 0


def merge(into: Sketch, other: Mapping[int, int]) -> None:
    """Add the other one's values."""
    for number, count in other.items():
        into[number] = into.get(number, 0) + count


def quantile(sketch: Mapping[int, int], q: float) -> float | None:
    """Return the value below which the share `q` (0 to 1) of all lies, None of nothing."""
    count = sum(sketch.values())
    if not count:
        return None
    rank, seen = q * (count - 1), 0
    for number in sorted(sketch):
        seen += sketch[number]
        if seen > rank:
            break
    return 2 * GAMMA**number / (GAMMA + 1)


def packed(sketch: Mapping[int, int]) -> bytes:
    """Return it as a MessagePack map, bins in order: equal sketches are equal bytes."""
    return _encoder.encode(dict(sorted(sketch.items()))) if sketch else b""


def unpacked(data: bytes) -> Sketch:
    """Return what `packed` packed."""
    return _decoder.decode(data) if data else {}
