"""What a driver's error means for the caller."""

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roundhouse_common.database import DatabaseBusy, DatabaseUnavailable, ValueNotStorable
from roundhouse_common.database.failures import translated


class PostgresError(Exception):
    """As asyncpg's errors: with the state that the server sent."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("the server's words")
        self.sqlstate = sqlstate


def wrapped(original: Exception, *, invalidated: bool = False) -> DBAPIError:
    return OperationalError("SELECT 1", {}, original, connection_invalidated=invalidated)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (wrapped(sqlite3.OperationalError("database is locked")), DatabaseBusy),
        (wrapped(PostgresError("55P03")), DatabaseBusy),
        (wrapped(PostgresError("57014")), DatabaseBusy),
        (wrapped(PostgresError("40001")), DatabaseBusy),
        (wrapped(PostgresError("40P01")), DatabaseBusy),
        (PoolTimeout(), DatabaseBusy),
        (wrapped(sqlite3.OperationalError("database or disk is full")), DatabaseUnavailable),
        (wrapped(sqlite3.OperationalError("disk I/O error")), DatabaseUnavailable),
        (wrapped(sqlite3.OperationalError("attempt to write a readonly database")), DatabaseUnavailable),
        (wrapped(PostgresError("08006")), DatabaseUnavailable),
        (wrapped(PostgresError("57P01")), DatabaseUnavailable),
        (wrapped(PostgresError("53300")), DatabaseUnavailable),
        (wrapped(PostgresError("28P01")), DatabaseUnavailable),
        (wrapped(PostgresError("XX000"), invalidated=True), DatabaseUnavailable),
        (ConnectionRefusedError("refused"), DatabaseUnavailable),
        (wrapped(PostgresError("22021")), ValueNotStorable),
    ],
)
def test_trouble_with_the_database_becomes_one_of_ours(error: Exception, meaning: type[Exception]) -> None:
    assert type(translated(error, "catalog")) is meaning


@pytest.mark.parametrize("state", ["42P01", "42601", "23505"])
def test_mistakes_of_the_program_and_broken_constraints_stay_what_they_are(state: str) -> None:
    error = IntegrityError("INSERT", {}, PostgresError(state))
    assert translated(error, "catalog") is error


def test_only_what_may_pass_is_worth_trying_again() -> None:
    assert translated(wrapped(PostgresError("55P03")), "catalog").retryable is True  # type: ignore[attr-defined]  # ours
    assert translated(wrapped(PostgresError("08006")), "catalog").retryable is True  # type: ignore[attr-defined]  # ours
    assert translated(wrapped(PostgresError("22021")), "catalog").retryable is False  # type: ignore[attr-defined]  # ours
