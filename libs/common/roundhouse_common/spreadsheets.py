"""Texts in files that people open in spreadsheets: what others have typed is shown, and never computed."""

from typing import Final

__all__ = ["as_typed", "not_computed"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_QUOTE: Final = "'"


def not_computed(text: str) -> str:
    """Return the text for a cell, after an apostrophe if a spreadsheet would take it for a formula. Numbers stay.

    What has apostrophes before such a beginning gets one more, so that it can be told from what was quoted here.
    """
    return f"{_QUOTE}{text}" if text.lstrip(_QUOTE).startswith(_FORMULA) and not _is_number(text) else text


def as_typed(cell: str) -> str:
    """Return the text that `not_computed` made the cell of."""
    return cell[1:] if cell.startswith(_QUOTE) and not_computed(cell[1:]) == cell else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and text[0] in "+-" and text[1:2].isdigit()
