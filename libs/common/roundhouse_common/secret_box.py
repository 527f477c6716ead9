"""Small secrets of others, sealed for the database and the bus: keys of outside providers.

A file of mode 600 holds one key per line. The first seals, all of them open: to replace a key put a new one before
it, have everything sealed again, then remove the old line. Keys are Fernet's (AES-128-CBC with HMAC-SHA256).
"""

import base64
import hmac
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from roundhouse_common.errors import Unavailable

__all__ = ["KeyFileFault", "NoKeyOpens", "SecretBox", "SecretBoxFault", "SecretFile", "new_secrets_key"]

_KEY_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SecretBoxFault(Unavailable):
    """Sealed secrets cannot be had now. The text never holds one, nor a key."""

    code = "secrets_unavailable"


class KeyFileFault(SecretBoxFault):
    """The file of keys is missing, readable by others, or no such file."""


class NoKeyOpens(SecretBoxFault):
    """It was sealed with a key that is not in the file, or was altered."""


def new_secrets_key(random_bytes: Callable[[int], bytes]) -> str:
    """Return a new key as a line of the file has it: 32 bytes, base64 with `-` and `_`."""
    return base64.urlsafe_b64encode(random_bytes(_KEY_BYTES)).decode()


class SecretBox:
    """Seals and opens with a list of keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ValueError for a key that is none, naming its number; it is not shown."""
        if not keys:
            raise ValueError("there is no key")
        self._fernets = [_fernet(number, key) for number, key in enumerate(keys, 1)]
        self._all = MultiFernet(self._fernets)
        self._first = base64.urlsafe_b64decode(keys[0])

    def seal(self, secret: str) -> str:
        """Return the secret sealed with the first key. No two results are equal."""
        return self._all.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the secret. Raises NoKeyOpens."""
        try:
            return self._all.decrypt(sealed.encode(errors="replace")).decode()
        except InvalidToken as error:
            raise _no_key_opens(len(self._fernets)) from error

    def is_current(self, sealed: str) -> bool:
        """Say whether the first key opens it, so that older keys can go."""
        try:
            self._fernets[0].decrypt(sealed.encode(errors="replace"))
        except InvalidToken:
            return False
        return True

    def derived(self, purpose: bytes) -> bytes:
        """Return a secret for another purpose, which tells nothing of the first key; another one when that changes."""
        return hmac.digest(self._first, purpose, "sha256")

    def __repr__(self) -> str:
        return f"SecretBox({len(self._fernets)} keys)"


class SecretFile:
    """The file of keys, read when something is first sealed or opened, and again when it has changed."""

    def __init__(self, path: Path | None, *, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._seen: tuple[int, ...] = ()
        self._box: SecretBox | None = None

    def box(self) -> SecretBox:
        """Return the box with the keys that are in the file now. Raises KeyFileFault."""
        if self._path is None:
            raise KeyFileFault(
                f"No file of keys is set, so secrets can be neither sealed nor opened: set {self._setting}."
            )
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)
            if self._box is None or seen != self._seen:
                self._box = _read(self._path, found)
                self._seen = seen
        except OSError as error:
            raise KeyFileFault(f"The file of keys {self._path} cannot be read: {error.strerror or error}.") from error
        return self._box


def _read(path: Path, found: os.stat_result) -> SecretBox:
    if found.st_mode & _OTHERS:
        raise KeyFileFault(
            f"The file of keys {path} can be read by others (mode {stat.S_IMODE(found.st_mode):o}): "
            f"`chmod 600 {path}`, and replace its keys if others may have read it."
        )
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    try:
        return SecretBox(keys)
    except ValueError as error:
        raise KeyFileFault(f"The file of keys {path} cannot be used: {error}.") from error


def _fernet(number: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError as error:
        raise ValueError(f"key {number} is not 32 bytes in base64, as `openssl rand -base64 32` makes them") from error


def _no_key_opens(count: int) -> NoKeyOpens:
    return NoKeyOpens(
        f"None of the {count} keys opens the secret: it was sealed with another one. Put that key back into the file, "
        "or give the secret anew."
    )
