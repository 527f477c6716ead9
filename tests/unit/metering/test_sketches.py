"""Quantiles of a sketch are as close as it says, however it was put together."""

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_metering.domain.sketches import RELATIVE_ERROR, Sketch, SketchTooNew, bin_of

VALUES = st.lists(st.integers(min_value=1, max_value=10**11), min_size=1, max_size=200)
CLOSE = st.lists(st.integers(min_value=1000, max_value=3000), max_size=2000)
SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
A_HAIR = 1e-9


def sketch_of(values: list[int]) -> Sketch:
    return Sketch(Counter(bin_of(value) for value in values))


def read(*packed: bytes) -> Sketch:
    sketch = Sketch()
    for data in packed:
        sketch.add(data)
    return sketch


@pytest.mark.contract("C05")
@given(VALUES, st.floats(min_value=0, max_value=1))
def test_a_quantile_is_within_the_stated_error(values: list[int], q: float) -> None:
    (found,) = sketch_of(values).quantiles([q])
    exact = sorted(values)[math.floor(q * (len(values) - 1))]
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR * (1 + A_HAIR)


@given(st.lists(VALUES | CLOSE, max_size=5), st.integers(min_value=0, max_value=5))
def test_in_whatever_way_parts_come_together_the_sketch_is_the_same(parts: list[list[int]], split: int) -> None:
    plain = Counter(bin_of(value) for values in parts for value in values)
    once = Sketch(plain)
    packed_ones = read(*(sketch_of(values).packed() for values in parts))
    mixed = read(*(sketch_of(values).packed() for values in parts[:split]))
    for values in parts[split:]:
        mixed.merge(sketch_of(values))
    twice = read(read(packed_ones.packed()).packed())
    for sketch in (once, packed_ones, mixed, twice):
        assert sketch.bins() == plain
        assert sketch.packed() == once.packed()
        assert sketch.quantiles(SHARES) == once.quantiles(SHARES)


@pytest.mark.parametrize("count", [1, 255, 256, 65_535, 65_536, 2**32 - 1, 2**40])
@pytest.mark.parametrize("times", [2, 255, 256, 257, 700])
def test_counts_of_any_size_add_up(count: int, times: int) -> None:
    bins = {number: count if number == 40 else 1 for number in range(30, 50)}
    row = Sketch(bins).packed()
    assert read(row).bins() == bins
    assert read(*[row] * times).bins() == {number: times * amount for number, amount in bins.items()}


def test_what_is_asked_of_a_sketch_does_not_change_it() -> None:
    row = sketch_of(list(range(1, 2000))).packed()
    sketch = read(row, row)
    before = sketch.packed()
    assert sketch.quantiles(SHARES) == sketch.quantiles(SHARES)
    assert sketch.bins() == read(before).bins()
    assert sketch.packed() == before


def test_what_is_added_to_a_sum_is_not_added_to_its_parts() -> None:
    row = sketch_of(list(range(1, 2000))).packed()
    part, whole = read(row), Sketch()
    whole.merge(part)
    whole.add(row)
    whole.merge(Sketch({3: 1}))
    assert part.packed() == row


@given(st.lists(st.lists(st.integers(0, 10**11), max_size=30), max_size=6), st.integers(0, 6))
def test_what_is_left_without_some_parts_is_the_sum_of_the_others(parts: list[list[int]], kept: int) -> None:
    whole = read(*(sketch_of(part).packed() for part in parts))
    left = whole.without(sketch_of(part) for part in parts[kept:])
    assert left.packed() == sketch_of([value for part in parts[:kept] for value in part]).packed()
    assert sum(whole.bins().values()) == sum(map(len, parts))


def test_what_an_earlier_release_packed_is_read() -> None:
    bins = {number: number for number in range(1, 60)}
    assert read(msgspec.msgpack.encode(bins)).bins() == bins


def test_every_way_to_pack_is_told_apart_by_its_first_byte() -> None:
    sparse = {number * 40: 900 for number in range(20)}
    row, as_list, as_map = Sketch(Counter(range(40, 60))), Sketch({5: 1, 70: 1}), Sketch(sparse)
    row.merge(row)
    firsts = [sketch.packed()[0] for sketch in (row, as_list, as_map)]
    assert firsts[:2] == [0, 1]
    assert firsts[2] >= 0x80


@pytest.mark.parametrize("first", [2, 3, 0x7F])
def test_what_a_newer_release_packed_is_refused_by_name(first: int) -> None:
    with pytest.raises(SketchTooNew, match=f"the form {first}.*start the release"):
        read(bytes([first, 1, 2, 3]))


def test_of_nothing_there_is_no_quantile() -> None:
    assert Sketch().quantiles([0.5, 0.9]) == [None, None]
    assert Sketch().packed() == b""
    assert read(b"").bins() == {}


def test_a_latency_of_zero_has_a_bin() -> None:
    assert bin_of(0) == bin_of(1) == 0
