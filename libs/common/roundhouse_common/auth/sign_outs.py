"""Which access tokens are void before they expire. Kept in memory, and small: tokens live for minutes."""

from collections.abc import Mapping

from roundhouse_common.auth.permissions import Subject
from roundhouse_common.contracts.identity import SignOut

__all__ = ["SignOuts"]


class SignOuts:
    """The last known state of bucket `signouts`. Without any news it stays what it was."""

    def __init__(self) -> None:
        self._issued_before: dict[str, float] = {}
        self._sessions: dict[str, dict[str, float]] = {}

    def take(self, told: Mapping[str, SignOut]) -> None:
        """Take in entries by user id. Nobody is signed in again by an older entry that comes late."""
        for user_id, sign_out in told.items():
            before = max(sign_out.issued_before, self._issued_before.get(user_id, 0.0))
            self._issued_before[user_id] = before
            self._sessions[user_id] = {ended.session_id: ended.until for ended in sign_out.sessions}

    def is_void(self, subject: Subject) -> bool:
        """Say whether the subject has been signed out since its token was made."""
        if subject.issued_at < self._issued_before.get(subject.id, 0.0):
            return True
        return bool(subject.session_id) and subject.session_id in self._sessions.get(subject.id, ())
