"""What a parameter's value may be. Every shape says what is wrong in words, or None."""

import re
from collections.abc import Callable
from typing import Final

from roundhouse_common.words import quoted

__all__ = ["FLAG", "Shape", "absolute_path", "decimal", "layers", "one_of", "text", "whole_number", "word"]

Shape = Callable[[str], str | None]

_DECIMAL = re.compile(r"\d{1,4}(\.\d{1,6})?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATH_CHARACTERS: Final = 1024


def whole_number(least: int, most: int) -> Shape:
    """Allow the whole numbers between two, without sign or blanks."""

    def shape(value: str) -> str | None:
        if value.isascii() and value.isdigit() and len(value) <= 12 and least <= int(value) <= most:
            return None
        return f"{quoted(value)} found; a whole number from {least} to {most} is allowed"

    return shape


def one_of(*choices: str) -> Shape:
    """Allow some words only."""

    def shape(value: str) -> str | None:
        if value in choices:
            return None
        return f"{quoted(value)} found; allowed are {', '.join(choices)}"

    return shape


def decimal(least: float, most: float) -> Shape:
    """Allow the numbers between two, in plain notation."""

    def shape(value: str) -> str | None:
        if _DECIMAL.fullmatch(value) and least <= float(value) <= most:
            return None
        return f"{quoted(value)} found; a number from {least:g} to {most:g} is allowed"

    return shape


def word(value: str) -> str | None:
    """Allow a name without blanks."""
    if _WORD.fullmatch(value):
        return None
    return f"{quoted(value)} found; 1 to 64 letters, digits and ._- are allowed"


def layers(value: str) -> str | None:
    """Allow a number of layers, or auto."""
    if value == "auto" or whole_number(0, 10_000)(value) is None:
        return None
    return f"{quoted(value)} found; a whole number from 0 to 10000, or auto, is allowed"


def absolute_path(value: str) -> str | None:
    """Allow a path on the node that leads nowhere else than it says."""
    is_plain = value.isprintable() and not any(part in {".", ".."} for part in value.split("/"))
    if 1 < len(value) <= _PATH_CHARACTERS and value.startswith("/") and is_plain:
        return None
    return f"{quoted(value)} found; an absolute path on the node without . and .. in it is allowed"


def text(most: int) -> Shape:
    """Allow any printable text."""

    def shape(value: str) -> str | None:
        if 0 < len(value) <= most and value.isprintable() and value.strip() == value:
            return None
        return f"{quoted(value)} found; 1 to {most} printable characters are allowed, none of them a blank at the ends"

    return shape


FLAG: Final = one_of("true", "false")
