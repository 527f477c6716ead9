"""A question whose answer could not be bounded or would be empty by mistake is refused with the field at fault."""

import pytest

from roundhouse_common.errors import InvalidInput
from roundhouse_metering.domain.usage import (
    BucketWidth,
    Dimension,
    Figures,
    UsageFilter,
    UsageQuery,
    UsageRow,
    total,
)

NOW = 1_000_000.0


def query(*, since: float | None = None, until: float | None = None, bucket: BucketWidth | None = None) -> UsageQuery:
    return UsageQuery(
        filter=UsageFilter(tenant_id="ten_default", since=since, until=until), by=Dimension.KEY, bucket=bucket
    )


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (query(since=10, until=10), "since"),
        (query(since=11, until=10), "since"),
        (query(bucket=BucketWidth.DAY), "since"),
        (query(since=NOW - 2001 * 60, bucket=BucketWidth.MINUTE), "bucket"),
        (query(since=0, until=2001 * 60, bucket=BucketWidth.MINUTE), "bucket"),
    ],
)
def test_an_unanswerable_question_names_its_field(asked: UsageQuery, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked.check(now=NOW)
    assert [fault.field for fault in refused.value.fields] == [field]


@pytest.mark.parametrize(
    "asked",
    [query(), query(until=5), query(since=5), query(since=NOW - 2000 * 60, bucket=BucketWidth.MINUTE)],
)
def test_an_answerable_question_passes(asked: UsageQuery) -> None:
    asked.check(now=NOW)


def test_totals_add_every_figure() -> None:
    one = Figures(requests=6, completed=3, failed=2, aborted=1, input_tokens=4, output_tokens=5)
    two = Figures(requests=1, completed=1, cached_input_tokens=7, reasoning_tokens=8)
    rows = [UsageRow(value=name, bucket_start=None, figures=figures) for name, figures in (("a", one), ("b", two))]
    assert total(rows) == Figures(
        requests=7,
        completed=4,
        failed=2,
        aborted=1,
        input_tokens=4,
        cached_input_tokens=7,
        output_tokens=5,
        reasoning_tokens=8,
    )
    assert total([]) == Figures()
