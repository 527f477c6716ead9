"""What a computation says when it has no number to give."""

import msgspec

__all__ = ["Unfit", "Unknown"]


class Unknown(msgspec.Struct, frozen=True):
    """The need cannot be computed. `reasons` say in words what is missing; the user may state the need instead."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


class Unfit(msgspec.Struct, frozen=True):
    """It cannot run so. `reasons` name what was found and what would fit."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)
