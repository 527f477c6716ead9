"""Hashes of passwords: argon2id, in threads of their own. Import it by its own name: few services need argon2.

Each hash takes tens of milliseconds and `memory_kib` of memory, so only as many run at once as there are threads, and
only so many wait: a flood of logins must not take the service down.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from roundhouse_common.errors import Unavailable

__all__ = ["LoginsBusy", "Passwords"]

T = TypeVar("T")

_THREADS = 2
_WAITING_MOST = 64


class LoginsBusy(Unavailable):
    """More passwords are being checked than can be at once."""

    code = "logins_busy"


class Passwords:
    """Makes and checks hashes. Close it at the end."""

    def __init__(self, *, memory_kib: int = 65_536, passes: int = 3, lanes: int = 1) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._nobodys = self._hasher.hash("a password that nobody has")
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return the hash to store, with its own salt and parameters. Raises LoginsBusy."""
        return await self._run(lambda: self._hasher.hash(password))

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Say whether the password belongs to the hash. Raises LoginsBusy.

        Without a hash it is wrong, and that takes as long: nobody learns from the time whether there is one.
        """
        return await self._run(lambda: self._verify(stored or self._nobodys, password) and stored is not None)

    def is_outdated(self, stored: str) -> bool:
        """Say whether it was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING_MOST:
            raise LoginsBusy("Too many passwords are being checked at the moment; try again in a second.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
