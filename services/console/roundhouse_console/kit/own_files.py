"""Where browsers find our own scripts, styles and pictures: under an address that changes with them."""

import hashlib
from pathlib import Path
from typing import Final

__all__ = ["OWN_FILES", "OWN_FILES_URL"]

OWN_FILES: Final = Path(__file__).parent.parent / "static"


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()[:16]


OWN_FILES_URL: Final = f"/static/{_digest(OWN_FILES)}"
"""Browsers keep what is below it for good."""
