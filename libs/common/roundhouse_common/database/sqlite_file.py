"""The file of a SQLite database: private, and in write-ahead mode before anyone uses it."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from roundhouse_common.database.failures import DatabaseBusy, DatabaseUnavailable

__all__ = ["prepare"]

_RETRY_S: Final = 0.02


def prepare(path: Path, *, timeout_s: float) -> None:
    """Make the file if there is none, and switch it to write-ahead logging. Blocks: run it in a thread.

    Raises DatabaseUnavailable or DatabaseBusy. Any number of processes may do it at the same time.
    """
    _create(path)
    for _ in range(max(1, round(timeout_s / _RETRY_S))):
        try:
            return _switch_to_wal(path, timeout_s)
        except sqlite3.OperationalError as error:
            # SQLite does not wait for its busy timeout when two connections switch at the same moment.
            if "locked" not in str(error):
                raise DatabaseUnavailable(f"The database file {path} cannot be used: {error}.") from error
            time.sleep(_RETRY_S)
        except sqlite3.DatabaseError as error:
            raise DatabaseUnavailable(f"The database file {path} cannot be used: {error}.") from error
    raise DatabaseBusy(f"Another program holds the database file {path}.")


def _create(path: Path) -> None:
    """Make the file before SQLite does, readable by its owner only; its -wal and -shm files copy the mode.

    A file that exists is not opened: closing it would drop the locks that SQLite holds on it in this process
    (POSIX), and another process could then delete the log of a database in use.
    """
    if path.exists():
        if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
            raise DatabaseUnavailable(f"{path} is not a file that this program may read and write.")
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        if not path.is_file():  # else another process made it meanwhile
            raise DatabaseUnavailable(f"The database file {path} cannot be made: {error.strerror}.") from error


def _switch_to_wal(path: Path, timeout_s: float) -> None:
    connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise DatabaseUnavailable(f"{path} is on a file system without write-ahead logging; use a local disk.")
    finally:
        connection.close()
