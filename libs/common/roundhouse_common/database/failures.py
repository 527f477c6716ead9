"""What a driver's error means for the caller.

RoundhouseError
├── Unavailable              503
│   ├── DatabaseUnavailable       the server or the file is away
│   └── DatabaseBusy              another transaction held a lock for too long
└── InvalidInput             422
    └── ValueNotStorable          e.g. a NUL character in a text
"""

from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roundhouse_common.errors import InvalidInput, Unavailable

__all__ = ["DatabaseBusy", "DatabaseUnavailable", "ValueNotStorable", "translated"]

_BUSY_STATES: Final = frozenset(("55P03", "57014", "40001", "40P01"))
"""lock_not_available, query_canceled (by the statement timeout), serialization_failure, deadlock_detected."""
_AWAY_CLASSES: Final = frozenset(("08", "53", "57", "58", "3D", "28"))
"""connection, resources, operator intervention, system error, no such database, refused credentials."""
_SQLITE_AWAY: Final = (
    "unable to open",
    "disk I/O error",
    "disk is full",
    "readonly database",
    "disk image is malformed",
    "file is not a database",
)


class DatabaseUnavailable(Unavailable):
    """The database did not answer. Try again later; nothing was committed unless the commit itself was cut off."""

    code = "database_unavailable"


class DatabaseBusy(Unavailable):
    """Another transaction held what this one needs for too long. Safe to try again: nothing was committed."""

    code = "database_busy"


class ValueNotStorable(InvalidInput):
    """A value that no column can hold."""

    code = "value_not_storable"


def translated(error: Exception, schema: str) -> Exception:
    """Return our error for a driver's one, or the same error when it is the program's own doing."""
    if isinstance(error, PoolTimeout):
        return DatabaseBusy(f"Every connection to the database of {schema} stayed in use for too long; try again.")
    if not isinstance(error, DBAPIError):
        return DatabaseUnavailable(f"The database of {schema} does not answer: {error}.")
    state: str = getattr(error.orig, "sqlstate", None) or ""
    words = str(error.orig)
    if state in _BUSY_STATES or "database is locked" in words:
        return DatabaseBusy(f"Another transaction held the database of {schema} for too long; try again.")
    is_away = state[:2] in _AWAY_CLASSES or any(sign in words for sign in _SQLITE_AWAY)
    if error.connection_invalidated or is_away:
        return DatabaseUnavailable(f"The database of {schema} does not answer: {words.splitlines()[0]}.")
    if state.startswith("22"):
        return ValueNotStorable("A text or number in the request cannot be stored.")
    return error
