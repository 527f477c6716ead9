"""Pricing a period again: the answers of several calls as one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outcome"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""


@dataclass(slots=True)
class Outcome:
    """What became, or would become, of the requests of a period. Sums are nano-units of money."""

    examined: int = 0
    changed: int = 0
    became_priced: int = 0
    still_unpriced: int = 0
    delta_nano: int = 0
    models: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Of each model what changes, what had no price before, and the difference."""

    def add(self, answer: Found) -> None:
        """Take in what one more call said."""
        self.examined += answer["examined"]
        self.changed += answer["changed"]
        self.became_priced += answer["became_priced"]
        self.still_unpriced += answer["still_unpriced"]
        self.delta_nano += answer["delta_nano"]
        for one in answer["models"]:
            changed, priced, delta = self.models.get(one["model"], (0, 0, 0))
            self.models[one["model"]] = (
                changed + one["changed"],
                priced + one["became_priced"],
                delta + one["delta_nano"],
            )

    def differences(self) -> list[tuple[str, int, int, int]]:
        """Return model, requests that change, those that had no price, and the difference; the largest first."""
        found = [(model, *figures) for model, figures in self.models.items()]
        return sorted(found, key=lambda one: (-abs(one[3]), -one[1], one[0]))
