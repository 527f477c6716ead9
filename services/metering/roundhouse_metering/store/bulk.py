"""Many rows in one statement, as fast as each database takes them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    TextClause,
    any_,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from roundhouse_common.database import WriteSession
from roundhouse_common.database.types import DialectName

__all__ = ["add_rows", "among", "put_rows"]

Rows = Sequence[tuple[Any, ...]]
"""Any: the columns' own types, in the order of the names."""
_ARRAYS = {
    BigInteger: "bigint",
    Boolean: "boolean",
    Double: "double precision",
    Integer: "integer",
    LargeBinary: "bytea",
    Text: "text",
}


def among(dialect: DialectName, column: Column[Any], values: Sequence[str] | Sequence[int]) -> ColumnElement[bool]:
    """Return whether a column has one of many values: one parameter, however many there are."""
    if dialect == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    given = func.json_each(msgspec.json.encode(list(values)).decode()).table_valued("value")
    return column.in_(select(given.c.value))


async def add_rows(session: WriteSession, table: Table, names: tuple[str, ...], rows: Rows) -> None:
    """Insert rows of which none exists: raises, and spoils the transaction, when one does."""
    if not rows:
        return
    if session.dialect == "postgresql":
        await session.copy(table.name, names, rows)
    else:
        await session.execute_many(_sqlite(table, names, (), ()), rows)


async def put_rows(
    session: WriteSession,
    table: Table,
    names: tuple[str, ...],
    rows: Rows,
    *,
    key: tuple[str, ...],
    update: tuple[str, ...] = (),
) -> None:
    """Insert rows; where one with the `key` columns exists, overwrite its `update` columns, or leave it without any.

    A key may come only once among the rows.
    """
    if not rows:
        return
    if session.dialect == "postgresql":
        # One array per column: the driver encodes some fifty values and not some fifty thousand. It asks each value of
        # an array whether it is an array, too: whole numbers go faster as one text.
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        given = {
            name: f"{{{','.join(map(str, values))}}}" if _is_text(table, name) else list(values)
            for name, values in columns.items()
        }
        await session.execute(_postgres(table, names, key, update), given)
    else:
        await session.execute_many(_sqlite(table, names, key, update), rows)


@cache
def _postgres(table: Table, names: tuple[str, ...], key: tuple[str, ...], update: tuple[str, ...]) -> TextClause:
    given = {name: f"CAST(:{name} AS text)" if _is_text(table, name) else f":{name}" for name in names}
    arrays = ", ".join(f"CAST({given[name]} AS {_array_of(table, name)}[])" for name in names)
    return text(
        f"INSERT INTO {table.name} ({_quoted(names)}) SELECT * FROM unnest({arrays}){_on_conflict(key, update)}"
    )


@cache
def _sqlite(table: Table, names: tuple[str, ...], key: tuple[str, ...], update: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({_quoted(names)}) VALUES ({places}){_on_conflict(key, update)}"


def _on_conflict(key: tuple[str, ...], update: tuple[str, ...]) -> str:
    if not key:
        return ""
    kept = ", ".join(f'"{name}" = excluded."{name}"' for name in update)
    return f" ON CONFLICT ({_quoted(key)}) DO {f'UPDATE SET {kept}' if update else 'NOTHING'}"


def _array_of(table: Table, name: str) -> str:
    kind = table.c[name].type
    return next(array for known, array in _ARRAYS.items() if type(kind) is known)


def _is_text(table: Table, name: str) -> bool:
    """Return whether a column's values go as the text of an array."""
    column = table.c[name]
    return type(column.type) in (BigInteger, Integer) and not column.nullable


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
