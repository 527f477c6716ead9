"""One known failure: a pattern and what it means."""

import re
from dataclasses import dataclass

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`summary` and `advice` may use the pattern's named groups; those that took no part are empty."""

    kind: str
    pattern: re.Pattern[str]
    summary: str
    """The cause."""
    advice: str = ""
    """What to do."""
