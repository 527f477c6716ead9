"""A question whose answer could not be bounded or would be empty by mistake is refused with the field at fault."""

import pytest

from roundhouse_common.errors import InvalidInput
from roundhouse_metering.domain.usage import BucketWidth, Dimension, UsageFilter, UsageQuery

NOW = 1_000_000.0


def query(*, since: float | None = None, until: float | None = None, bucket: BucketWidth | None = None) -> UsageQuery:
    return UsageQuery(
        filter=UsageFilter(tenant_id="ten_default", since=since, until=until), by=(Dimension.KEY,), bucket=bucket
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


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    friday = 1_795_132_800  # 2026-11-20
    assert BucketWidth.WEEK.start(friday) == friday - 4 * 86_400
    assert BucketWidth.MONTH.start(friday) == friday - 19 * 86_400
    assert BucketWidth.MONTH.next(BucketWidth.MONTH.start(friday)) == friday + 11 * 86_400
