"""With how many seeds a scenario runs: a few with all other tests, more where simulations are all that runs."""

import os
from typing import Final

__all__ = ["ASKED", "seeds"]

ASKED: Final = int(os.environ.get("ROUNDHOUSE_SIMULATION_SEEDS") or 0)
"""What `scripts/test --sim` asks for (2,000); 0 in other runs."""


def seeds(few: int, *, most: int, first: int = 0) -> range:
    """Return `few` seeds from the first on, or `most` when more are asked for."""
    return range(first, first + (most if ASKED else few))
