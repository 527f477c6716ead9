"""The root of every error that crosses a boundary.

    RoundhouseError            code, status, retryable
    ├── NotFound               404
    ├── Conflict               409
    ├── PreconditionFailed     412  If-Match does not match
    ├── PreconditionRequired   428  If-Match is missing
    ├── InvalidInput           422  with the fields at fault
    ├── Unauthenticated        401
    ├── Forbidden              403
    └── Unavailable            503  a dependency is away

Services draw their own trees below these in `domain/errors.py`. A message says what was found, what was wanted,
and what to do.
"""

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "Conflict",
    "FieldError",
    "Forbidden",
    "InvalidInput",
    "NotFound",
    "PreconditionFailed",
    "PreconditionRequired",
    "RoundhouseError",
    "Unauthenticated",
    "Unavailable",
]


class RoundhouseError(Exception):
    """An error with a stable code and an HTTP status; its text is meant for the caller."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    try_again_in_s: float | None = None
    """When to try again, where that is known."""

    @property
    def message(self) -> str:
        """The sentence for the caller."""
        return str(self)


class NotFound(RoundhouseError):
    code = "not_found"
    status = 404


class Conflict(RoundhouseError):
    code = "conflict"
    status = 409


class PreconditionFailed(RoundhouseError):
    code = "precondition_failed"
    status = 412


class PreconditionRequired(RoundhouseError):
    code = "precondition_required"
    status = 428


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field at fault. `field` is a dotted path into the body, or the name of a parameter."""

    field: str
    message: str


class InvalidInput(RoundhouseError):
    code = "invalid_input"
    status = 422

    def __init__(self, message: str, *fields: FieldError) -> None:
        super().__init__(message)
        self.fields = fields


class Unauthenticated(RoundhouseError):
    code = "unauthenticated"
    status = 401


class Forbidden(RoundhouseError):
    code = "forbidden"
    status = 403


class Unavailable(RoundhouseError):
    code = "unavailable"
    status = 503
    retryable = True
