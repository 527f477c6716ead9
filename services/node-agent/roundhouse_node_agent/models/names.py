"""How models are called by people, beside the store: one small file per key, so that several processes may write."""

import contextlib
import os
import re
from pathlib import Path

__all__ = ["ModelNames"]

_KEY = re.compile(r"[0-9a-f]{32}")
_MOST_BYTES = 512


class ModelNames:
    """Names are a convenience: one that cannot be kept or read is missing, and nothing else goes wrong."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "names"

    def get(self, key: str) -> str:
        """Return the name that was kept last; empty when there is none."""
        try:
            with (self._directory / key).open("rb") as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def keep(self, key: str, name: str) -> None:
        if not name or _KEY.fullmatch(key) is None or self.get(key) == name:
            return
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            new = self._directory / f".{key}.{os.getpid()}"
            new.write_bytes(name.encode()[:_MOST_BYTES])
            new.replace(self._directory / key)

    def forget(self, key: str) -> None:
        with contextlib.suppress(OSError):
            (self._directory / key).unlink()
