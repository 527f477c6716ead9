"""Quantiles of many values from few numbers, that can be merged: a DDSketch without a limit on its bins.

A value falls into the bin `ceil(log(value, GAMMA))`; what is told of a bin is at most `RELATIVE_ERROR` away from every
value in it. Merging adds counts, so it loses nothing, in whatever order. Values are whole microseconds: from 1 us to
a day there are 630 bins, and a model's latencies fill some dozen of them.

C. Masson, J. Rim, H. Lee: DDSketch, VLDB 2019.
"""

import math
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Final

import msgspec

from roundhouse_common.errors import RoundhouseError

__all__ = ["GAMMA", "RELATIVE_ERROR", "Sketch", "SketchTooNew", "bin_of"]

RELATIVE_ERROR: Final = 0.02
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA: Final = math.log(GAMMA)
_log = math.log

_decoder: Final = msgspec.msgpack.Decoder(dict[int, int])
_encoder: Final = msgspec.msgpack.Encoder()
_ROW: Final = 0
"""The first byte of a row of counts: then how wide a count is, 1, 2, 4 or 8 bytes, and the first bin in two; the
counts follow, little-endian."""
_HEAD: Final = 4
_LIST: Final = 1
"""The first byte of a list: the bin of each value in two bytes."""
_MAP: Final = 0x80
"""What begins with this or more is a MessagePack map. A form of a later release begins with less."""
_LONGEST_LIST: Final = 2_000
"""A list of more values is not looked at: from a microsecond to a day a row is shorter."""
_KINDS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_WIDEST: Final = 8
_MOST_ROWS: Final = 256
"""So many counts add up to one that is twice as wide at the most."""


def bin_of(value: int) -> int:
    """Return the bin of a value; everything up to 1 is in bin 0."""
    return math.ceil(_log(value) / _LOG_GAMMA) if value > 1 else 0


class SketchTooNew(RoundhouseError):
    """A newer release of metering packed it; what it holds must not be left out of a sum."""

    code = "sketch_too_new"


class Sketch:
    """How many values are in which bin. Packed ones are only kept beside each other until somebody asks."""

    __slots__ = ("_lists", "_rows", "few")

    def __init__(self, few: Mapping[int, int] | None = None) -> None:
        self.few: dict[int, int] = dict(few) if few else {}
        """Bin -> how many were counted one by one, or came in a map."""
        self._lists: bytearray | None = None
        self._rows: list[bytes] | None = None

    def add(self, data: bytes) -> None:
        """Add what `packed` packed. Raises SketchTooNew."""
        if not data:
            return
        form = data[0]
        if form == _ROW:
            self._add_row(data)
        elif form >= _MAP:
            few = self.few
            for number, count in _decoder.decode(data).items():
                if number in few:
                    few[number] += count
                else:
                    few[number] = count
        elif form == _LIST:
            self._add_list(data[1:])
        else:
            raise SketchTooNew(
                f"Quantiles are kept in the form {form}, and this program knows none after {_LIST}: "
                "start the release of metering that wrote them."
            )

    def merge(self, other: "Sketch") -> None:
        """Add the other one's values."""
        self._add_few(other.few)
        if other._lists:
            self._add_list(other._lists)
        for data in other._rows or ():
            self._add_row(data)

    def without(self, parts: "Iterable[Sketch]") -> "Sketch":
        """Return what is left of it when the values of some parts of it are taken away."""
        taken = Sketch()
        for part in parts:
            taken.merge(part)
        left = Counter(self.bins())
        left.subtract(taken.bins())
        return Sketch({number: count for number, count in left.items() if count})

    def bins(self) -> dict[int, int]:
        """Return bin -> how many values are in it, in order."""
        first, counts = self._counts()
        return {number: count for number, count in enumerate(counts, first) if count}

    def quantiles(self, shares: Sequence[float]) -> list[float | None]:
        """Return for each share `q` (0 to 1) the value below which it lies, None of nothing."""
        first, counts = self._counts()
        seen = list(accumulate(counts))
        if not seen:
            return [None] * len(shares)
        last = seen[-1] - 1
        return [2 * GAMMA ** (first + bisect_right(seen, share * last)) / (GAMMA + 1) for share in shares]

    def packed(self) -> bytes:
        """Return it as what is shortest of a list, a row of counts and a map: equal sketches are equal bytes."""
        if not self._rows and (short := self._as_list()) is not None:
            return short
        first, counts = self._counts()
        filled, width = len(counts) - counts.count(0), _width(max(counts))
        as_list, as_row, as_map = 2 * sum(counts), 3 + len(counts) * width, 4 * filled
        if as_row < as_list and as_row <= as_map:
            return _row(first, counts)
        bins = self.bins()
        if as_map < as_list:
            return _encoder.encode(bins)
        return _listed(bins)

    def _as_list(self) -> bytes | None:
        """Return a list where it is shorter than the narrowest row and than a map: most sketches have few values."""
        few, total = self.few, sum(self.few.values())
        if total > _LONGEST_LIST:
            return None
        numbers = [*few] if total == len(few) else [number for number, times in few.items() for _ in range(times)]
        if self._lists:
            numbers += struct.unpack(f"<{len(self._lists) // 2}H", self._lists)
            total = len(numbers)
        elif not numbers:
            return b""
        numbers.sort()
        if 2 * total > min(4 + numbers[-1] - numbers[0], 4 * len(set(numbers))):
            return None
        return struct.pack(f"<B{total}H", _LIST, *numbers)

    def _add_few(self, bins: Mapping[int, int]) -> None:
        few = self.few
        for number, count in bins.items():
            few[number] = few.get(number, 0) + count

    def _add_list(self, numbers: bytes | bytearray) -> None:
        if self._lists is None:
            self._lists = bytearray(numbers)
        else:
            self._lists += numbers

    def _add_row(self, data: bytes) -> None:
        if self._rows is None:
            self._rows = [data]
            return
        if len(self._rows) == _MOST_ROWS:
            first, counts = _added(self._rows)
            self._rows = [_row(first, counts)]
        self._rows.append(data)

    def _singles(self) -> Mapping[int, int]:
        """Return bin -> how many values did not come in rows."""
        if not self._lists:
            return self.few
        found = Counter(struct.unpack(f"<{len(self._lists) // 2}H", self._lists))
        found.update(self.few)
        return found

    def _counts(self) -> tuple[int, Sequence[int]]:
        """Return the first bin that has a value, and the counts from there to the last one that has."""
        singles = self._singles()
        first, counts = _added(self._rows) if self._rows else (0, b"")
        if not singles:
            return first, counts
        start, last = min(singles), max(singles)
        if not counts:
            return start, _dense(singles, start, last - start + 1)
        start, last = min(start, first), max(last, first + len(counts) - 1)
        sums = _dense(singles, start, last - start + 1)
        for number, count in enumerate(counts, first - start):
            sums[number] += count
        return start, sums


def _listed(bins: Mapping[int, int]) -> bytes:
    numbers = [number for number in sorted(bins) for _ in range(bins[number])]
    return struct.pack(f"<B{len(numbers)}H", _LIST, *numbers)


def _dense(bins: Mapping[int, int], first: int, span: int) -> list[int]:
    counts = [0] * span
    for number, count in bins.items():
        counts[number - first] = count
    return counts


def _row(first: int, counts: Sequence[int]) -> bytes:
    width = _width(max(counts))
    return struct.pack(f"<BBH{len(counts)}{_KINDS[width]}", _ROW, width, first, *counts)


def _added(rows: Sequence[bytes]) -> tuple[int, Sequence[int]]:
    """Return the sum of up to `_MOST_ROWS`: each becomes one long number, with room for every count to grow, and
    numbers are added."""
    if len(rows) == 1:
        width, first, data = rows[0][1], _first(rows[0]), rows[0][_HEAD:]
        return first, data if width == 1 else struct.unpack(f"<{len(data) // width}{_KINDS[width]}", data)
    lane = min(2 * max(map(_width_of, rows)), _WIDEST)
    first, lanes = _first(rows[0]), 0
    for data in rows:
        width = data[1]
        wide = bytearray((len(data) - _HEAD) // width * lane)
        for place in range(width):
            wide[place::lane] = data[_HEAD + place :: width]
        ahead = (data[2] | data[3] << 8) - first
        if ahead >= 0:
            lanes += int.from_bytes(wide, "little") << (8 * lane * ahead)
        else:
            lanes = (lanes << (-8 * lane * ahead)) + int.from_bytes(wide, "little")
            first += ahead
    count = -(-lanes.bit_length() // (8 * lane))
    return first, struct.unpack(f"<{count}{_KINDS[lane]}", lanes.to_bytes(count * lane, "little"))


def _first(row: bytes) -> int:
    return row[2] | row[3] << 8


_width_of: Final = itemgetter(1)


def _width(count: int) -> int:
    return 1 if count < 1 << 8 else 2 if count < 1 << 16 else 4 if count < 1 << 32 else 8
