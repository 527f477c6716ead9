"""Column types and statements that mean the same on SQLite and Postgres."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import BigInteger, Dialect, Double, Integer, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["BigId", "DialectName", "Json", "UnixSeconds", "Upsert", "upsert"]

DialectName = Literal["sqlite", "postgresql"]
Upsert = sqlite.Insert | postgresql.Insert

UnixSeconds: Final = Double
"""Times are seconds since 1970-01-01T00:00:00Z as a double."""

BigId: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit primary key that counts up by itself. SQLite does that only for a column called INTEGER."""


class Json(TypeDecorator[Any]):  # Any: the values are of the type that the column names
    """A msgspec-encodable value: text on SQLite, JSONB on Postgres.

    `Json(VersionSpec)` gives structs back; `Json()` plain lists and dictionaries.
    """

    impl = Text
    cache_ok = True

    def __init__(self, value_type: Any = Any) -> None:  # Any: whatever msgspec can decode, also list[str] and unions
        super().__init__()
        self.value_type = value_type

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB(none_as_null=True) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        # The engine's own JSON codec is switched off (`database.py`), so both databases take and return text.
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value, type=self.value_type)


def upsert(dialect: DialectName, table: Table, *, key: Sequence[str], update: Sequence[str] | None = None) -> Upsert:
    """Return an insert that, where a row with the `key` columns exists, overwrites the `update` columns.

    Without `update` the existing row stays as it is. Give the values to `execute`, one mapping or many.
    """
    statement: Upsert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if not update:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={name: statement.excluded[name] for name in update}
    )
