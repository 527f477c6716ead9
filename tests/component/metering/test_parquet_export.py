"""Requests as Parquet, read back by the format's own library."""

import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_common.auth import Role, Subject
from roundhouse_common.database import Database
from roundhouse_common.pricing import PriceTable
from roundhouse_metering.api.usage_schemas import UsageEntry
from roundhouse_metering.domain.parquet import Column, Kind, ParquetWriter
from roundhouse_metering.store.ledger import enter
from tests.support.metering_api import Caller
from tests.support.usage import NOON, UsageRecords

pytestmark = pytest.mark.contract("F06")


def table_of(content: bytes) -> Any:  # Any: pyarrow has no types
    return pq.read_table(io.BytesIO(content))


async def test_every_record_is_there_with_types_in_groups(
    caller: Caller, ledger_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roundhouse_metering.api.parquet_export._GROUP", 10)
    records = UsageRecords()
    some = [
        records.next(
            admitted_at=NOON + number / 7,
            time_to_first_token_ms=None if number % 3 else 1.5,
            is_stream=number % 2 == 0,
        )
        for number in range(23)
    ]
    async with ledger_db.write() as session:
        await enter(session, some, recorded_at=NOON, prices=PriceTable())
    answer = await caller.get("/usage/records.parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    table = table_of(answer.content)
    assert pq.ParquetFile(io.BytesIO(answer.content)).num_row_groups == 3
    assert table.column_names == list(UsageEntry.model_fields)
    assert table.schema.field("admitted_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("cost_nano").type == pa.int64()
    assert table.schema.field("is_stream").type == pa.bool_()
    rows = table.to_pylist()
    assert [row["request_id"] for row in rows] == [record.request_id for record in some]
    assert rows[1]["admitted_at"] == datetime.fromtimestamp(round((NOON + 1 / 7) * 1e6) / 1e6, UTC)
    assert [row["time_to_first_token_ms"] for row in rows[:3]] == [1.5, None, None]
    assert {row["cost_nano"] for row in rows} == {None}
    assert [row["is_stream"] for row in rows[:3]] == [True, False, True]


async def test_without_records_it_is_a_table_without_rows(caller: Caller) -> None:
    table = table_of((await caller.get("/usage/records.parquet")).content)
    assert (table.num_rows, table.column_names) == (0, list(UsageEntry.model_fields))


async def test_it_needs_the_permission_to_export(caller: Caller) -> None:
    user = Subject(id="usr_admin", tenant_id="ten_default", roles=frozenset({Role.USER}))
    assert (await caller.get("/usage/records.parquet", subject=user)).status_code == 403


_VALUES = {
    Kind.TEXT: st.text(max_size=20),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.NUMBER: st.floats(allow_nan=False),
    Kind.FLAG: st.booleans(),
    Kind.MOMENT: st.integers(0, 4_000_000_000).map(float),
}
_COLUMNS = [
    Column(name=f"{kind.value}{'?' if is_optional else ''}", kind=kind, is_optional=is_optional)
    for kind in Kind
    for is_optional in (False, True)
]
_ROW = st.tuples(*(st.none() | _VALUES[one.kind] if one.is_optional else _VALUES[one.kind] for one in _COLUMNS))


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(_ROW, min_size=1, max_size=40), max_size=3))
def test_what_is_written_is_what_is_read(groups: list[list[tuple[Any, ...]]]) -> None:
    writer = ParquetWriter(_COLUMNS)
    content = writer.begin() + b"".join(writer.group(rows) for rows in groups) + writer.end()
    found = [tuple(_plain(value) for value in row.values()) for row in table_of(content).to_pylist()]
    assert found == [row for rows in groups for row in rows]


def _plain(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value
