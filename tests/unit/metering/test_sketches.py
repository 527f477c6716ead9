"""Quantiles of a sketch are as close as it says, however it was put together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_metering.domain.sketches import RELATIVE_ERROR, Sketch, bin_of, merge, packed, quantile, unpacked

VALUES = st.lists(st.integers(min_value=1, max_value=10**11), min_size=1, max_size=200)
A_HAIR = 1e-9


def sketch_of(values: list[int]) -> Sketch:
    sketch: Sketch = {}
    for value in values:
        merge(sketch, {bin_of(value): 1})
    return sketch


@pytest.mark.contract("C05")
@given(VALUES, st.floats(min_value=0, max_value=1))
def test_a_quantile_is_within_the_stated_error(values: list[int], q: float) -> None:
    found = quantile(sketch_of(values), q)
    exact = sorted(values)[math.floor(q * (len(values) - 1))]
    assert found is not None
    assert abs(found - exact) <= exact * RELATIVE_ERROR * (1 + A_HAIR)


@given(VALUES, VALUES)
def test_merging_is_the_same_as_counting_all_at_once(some: list[int], others: list[int]) -> None:
    merged = sketch_of(some)
    merge(merged, sketch_of(others))
    assert packed(merged) == packed(sketch_of([*others, *some]))
    assert unpacked(packed(merged)) == merged


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert unpacked(packed({})) == {}


def test_a_latency_of_zero_has_a_bin() -> None:
    assert bin_of(0) == bin_of(1) == 0
