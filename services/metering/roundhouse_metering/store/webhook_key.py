"""The key that secrets of webhooks are made from: a file, made at the first start where none is named."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["webhook_key"]

_NAME: Final = "webhook-key"
_BYTES: Final = 32


def webhook_key(named: Path | None, state_dir: Path, random_bytes: Callable[[int], bytes]) -> bytes:
    """Return the key. Raises OSError, and ValueError for a file that others may read or that is too short."""
    path = named or state_dir / _NAME
    if named is None and not path.exists():
        state_dir.mkdir(parents=True, exist_ok=True)
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "wb") as file:
            file.write(random_bytes(_BYTES))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} may be read by others; set its mode to 600")
    key = path.read_bytes()
    if len(key) < _BYTES:
        raise ValueError(f"{path} has {len(key)} bytes; at least {_BYTES} are wanted")
    return key
