"""Which access tokens are void before they expire: of whom, and of which tenants. Kept in memory, and small."""

from collections.abc import Mapping

from roundhouse_common.auth.permissions import Subject
from roundhouse_common.contracts.identity import SignOut, TenantRecord

__all__ = ["SignOuts"]


class SignOuts:
    """The last known state of buckets `signouts` and `tenants`. Without any news it stays what it was."""

    def __init__(self) -> None:
        self._issued_before: dict[str, float] = {}
        self._sessions: dict[str, dict[str, float]] = {}
        self._tenants: dict[str, TenantRecord] = {}

    def take(self, told: Mapping[str, SignOut]) -> None:
        """Take in entries by user id. Nobody is signed in again by an older entry that comes late."""
        for user_id, sign_out in told.items():
            before = max(sign_out.issued_before, self._issued_before.get(user_id, 0.0))
            self._issued_before[user_id] = before
            self._sessions[user_id] = {ended.session_id: ended.until for ended in sign_out.sessions}

    def take_tenants(self, told: Mapping[str, TenantRecord]) -> None:
        """Take in entries by tenant id; older ones than are known change nothing."""
        for tenant_id, tenant in told.items():
            known = self._tenants.get(tenant_id)
            if known is None or known.generation <= tenant.generation:
                self._tenants[tenant_id] = tenant

    def why_closed(self, subject: Subject) -> str:
        """Say why nobody may use a token for the subject's tenant now; empty: they may. To those with a role on the
        platform a suspended tenant is open."""
        tenant = self._tenants.get(subject.tenant_id)
        if tenant is None:
            return ""
        if tenant.is_deleted:
            return "the tenant of the token does not exist"
        return "the tenant of the token is suspended" if tenant.is_suspended and not subject.platform_roles else ""

    def is_void(self, subject: Subject) -> bool:
        """Say whether the subject has been signed out since its token was made."""
        if subject.issued_at < self._issued_before.get(subject.id, 0.0):
            return True
        return bool(subject.session_id) and subject.session_id in self._sessions.get(subject.id, ())
