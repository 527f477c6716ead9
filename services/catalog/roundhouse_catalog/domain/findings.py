"""Gathers what is wrong with a request, so that a caller learns of every fault at once."""

from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.words import did_you_mean, quoted

__all__ = ["Findings", "did_you_mean", "quoted"]


class Findings:
    """The faults of one request. Add as many as there are, then `refuse`."""

    def __init__(self) -> None:
        self._faults: list[FieldError] = []

    def add(self, field: str, message: str | None) -> None:
        """Record a fault of `field`, a dotted path; None means that there is none."""
        if message is not None:
            self._faults.append(FieldError(field, message))

    def refuse(self) -> None:
        """Raise InvalidInput when there is any fault."""
        match self._faults:
            case []:
                return
            case [only]:
                raise InvalidInput(f"{only.field}: {only.message}", only)
            case several:
                fields = ", ".join(fault.field for fault in several)
                raise InvalidInput(f"{len(several)} fields are not valid: {fields}", *several)
