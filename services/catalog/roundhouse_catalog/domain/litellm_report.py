"""What became of each line of a LiteLLM configuration."""

import enum
from dataclasses import dataclass

__all__ = ["ImportLine", "LineOutcome", "Report"]


class LineOutcome(enum.StrEnum):
    TAKEN = "taken"
    CHANGED = "changed"
    """Taken, and not quite as LiteLLM means it."""
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class ImportLine:
    """One line of the report."""

    path: str
    """`model_list[2].litellm_params.rpm`."""
    outcome: LineOutcome
    detail: str


class Report:
    """Gathers the lines. It is told about every field, so that none is lost in silence."""

    def __init__(self) -> None:
        self.lines: list[ImportLine] = []

    def taken(self, path: str, detail: str) -> None:
        self.lines.append(ImportLine(path, LineOutcome.TAKEN, detail))

    def changed(self, path: str, detail: str) -> None:
        self.lines.append(ImportLine(path, LineOutcome.CHANGED, detail))

    def left_out(self, path: str, why: str) -> None:
        self.lines.append(ImportLine(path, LineOutcome.LEFT_OUT, why))
