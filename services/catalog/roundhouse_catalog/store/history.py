"""The columns that say who made and who last changed a row."""

from typing import Any

from sqlalchemy import Row

from roundhouse_catalog.domain.history import History

__all__ = ["history_columns", "history_of"]

_NAMES = ("generation", "created_at", "created_by", "updated_at", "updated_by")


def history_columns(history: History) -> dict[str, object]:
    return {name: getattr(history, name) for name in _NAMES}


def history_of(row: Row[Any], prefix: str = "") -> History:  # Any: a row of whichever table
    """`prefix` is what the columns' names begin with where rows of two tables are joined."""
    return History(**{name: getattr(row, prefix + name) for name in _NAMES})
