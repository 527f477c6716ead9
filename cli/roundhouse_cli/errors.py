"""What the command says when it cannot do what was asked: one line on stderr and an exit code.

    CliError            exit code
    ├── Failure         1  it was refused, or went wrong
    │   ├── Refused     1  a service answered with a problem
    │   └── Ambiguous   1  a name or prefix fits several things
    ├── UsageFault      2  the command line makes no sense
    └── Unreachable     3  a service does not answer

Messages are whole sentences without the program's name; `main.py` prints them.
"""

from typing import ClassVar

__all__ = ["Ambiguous", "CliError", "Failure", "Refused", "Unreachable", "UsageFault"]


class CliError(Exception):
    """Ends the command with `exit_code`; its text is meant for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class Failure(CliError):
    """It was refused, or went wrong."""


class Refused(Failure):
    """A service answered with an error. `code` is the stable one of the problem document."""

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Ambiguous(Failure):
    """A name or prefix fits several things."""


class UsageFault(CliError):
    exit_code = 2


class Unreachable(CliError):
    exit_code = 3
