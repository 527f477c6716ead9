"""What can go wrong between the console and the services, in words that a page shows as they are.

ConsoleError
├── Unreachable    the service does not answer
├── Refused        it answered with a problem
└── SignedOut      the session is over: sign in again

ValueError
└── Unfit          what somebody typed, before anything was sent
"""

from dataclasses import dataclass, field

from roundhouse_console.domain.words import translated

__all__ = ["ConsoleError", "Refused", "SignedOut", "Unfit", "Unreachable"]


class ConsoleError(Exception):
    """The text is for the person who looks at the page."""


class Unreachable(ConsoleError):
    """Nobody answers at the service's address, or not in time."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"The {service} does not answer: {why}.")
        self.service = service


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of what was sent that is not right."""

    field: str
    message: str


@dataclass
class Refused(ConsoleError):
    """A service's problem (RFC 9457). `status` is 4xx or 5xx; `code` is stable."""

    service: str
    status: int
    code: str
    detail: str
    request_id: str = ""
    faults: list[FieldFault] = field(default_factory=list)

    def __str__(self) -> str:
        return self.detail or f"The {self.service} answered with status {self.status}."


class Unfit(ValueError):
    """What somebody typed does not do. `text` is a sentence for them, with places that `values` fill in."""

    def __init__(self, text: str, /, **values: object) -> None:
        super().__init__(translated(text, "en", {}, **values))
        self.text = text
        self.values = values


class SignedOut(ConsoleError):
    """The session was ended, here or elsewhere, or has expired."""

    def __init__(self) -> None:
        super().__init__("You are signed out. Sign in again.")
