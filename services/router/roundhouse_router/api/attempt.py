"""One attempt: what it can come to, and the first one where something else than `Attempts` has made it."""

from typing import Final, NamedTuple, Protocol

from roundhouse_common.contracts.routing import FallbackReason
from roundhouse_router.api.answers import Live, Whole
from roundhouse_router.api.course import Course
from roundhouse_router.domain.choosing.candidate import Candidate, Verdict
from roundhouse_router.domain.choosing.choice import Choice
from roundhouse_router.domain.errors import ApiError, UpstreamRefusedUs
from roundhouse_router.domain.refusals import fallback_reason
from roundhouse_router.wire.reply import Reply

__all__ = ["FAILURES", "STARTUP_BYTES", "STARTUP_PIECES", "Failed", "First", "Sent", "fallback_for", "passed"]

_REFUSED: Final = frozenset((401, 403))
FAILURES: Final = frozenset((500, 502, 503, 504)) | _REFUSED
"""Another replica may do better. 501 says the same everywhere; other 4xx are the request's fault."""

STARTUP_BYTES: Final = 256 * 1024
STARTUP_PIECES: Final = 64
"""So much of a stream is held back until there is content."""


class Failed(Exception):
    """One attempt came to nothing, and another may be made."""

    def __init__(self, kind: str, error: ApiError, verdict: Verdict = Verdict.FAILED) -> None:
        super().__init__(kind)
        self.kind = kind
        self.error = error
        self.verdict = verdict


class Sent(Protocol):
    """A first attempt that is under way already."""

    @property
    def course(self) -> Course: ...

    async def reply(self) -> Reply:
        """Return the answer once its status is there. Raises the wire's errors."""


class First(NamedTuple):
    """Where a request goes first, if that was found already."""

    choice: Choice
    candidate: Candidate
    sent: Sent | None
    is_late: bool = False
    """Its client has waited for so long that it is to hear something."""


def passed(answer: Whole | Live) -> Whole | Live:
    """Return an answer that may be passed on. Raises UpstreamRefusedUs."""
    if type(answer) is Whole and answer.status in _REFUSED:
        raise UpstreamRefusedUs("The engine refused the router. This is not about your API key; tell the operator.")
    return answer


def fallback_for(answer: Whole | ApiError) -> FallbackReason | None:
    """Return why another route may be asked; None: the answer stands."""
    if isinstance(answer, ApiError):
        return FallbackReason.ERROR if answer.status in (429, 500, 502, 503, 504) else None
    if answer.status in FAILURES or answer.status == 429:
        return FallbackReason.ERROR
    return fallback_reason(answer.status, answer.course.error_body(answer.status, answer.body))
