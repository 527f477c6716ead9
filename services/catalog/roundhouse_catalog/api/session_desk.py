"""Begins, continues and ends sessions: what every way of logging in comes to."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from roundhouse_catalog.api.minting import Minter
from roundhouse_catalog.domain.login_errors import NoTenant, RefreshRefused
from roundhouse_catalog.domain.sessions import (
    REFRESH_PREFIX,
    Client,
    EndReason,
    RefreshToken,
    Session,
    SessionRules,
    Step,
    digest,
    judged,
    new_secret,
)
from roundhouse_catalog.store import sessions as store
from roundhouse_catalog.store.directory import find_subject
from roundhouse_catalog.store.logins import tenant_by_word, tenants_of
from roundhouse_catalog.store.tenants import DEFAULT_TENANT_ID
from roundhouse_common.auth import Subject
from roundhouse_common.database import Database, ReadSession, WriteSession
from roundhouse_common.http.audit import Audit
from roundhouse_common.runtime import Clock, Ids, UnixTime

__all__ = ["Issued", "SessionDesk", "subject_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a client gets."""

    access_token: str
    access_expires_at: UnixTime
    refresh_token: str
    session: Session
    subject: Subject


class SessionDesk:
    """Everything about sessions, whoever proved to be whom in whatever way."""

    def __init__(
        self,
        db: Database,
        minter: Minter,
        *,
        clock: Clock,
        ids: Ids,
        random_bytes: Callable[[int], bytes],
        rules: SessionRules,
        audit: Audit,
        wake: Callable[[], None],
    ) -> None:
        """`wake` hurries whoever tells of sign-outs."""
        self.rules = rules
        self._db = db
        self._minter = minter
        self._clock = clock
        self._ids = ids
        self._random_bytes = random_bytes
        self._audit = audit
        self._wake = wake

    async def begin(self, session: WriteSession, user_id: str, *, tenant: str, method: str, client: Client) -> Issued:
        """Begin a session of somebody who has proved to be the user. Raises NoTenant."""
        now = self._clock.now()
        subject = await subject_in(session, user_id, tenant)
        begun = Session(
            session_id=self._ids.new("ses"),
            user_id=user_id,
            tenant_id=subject.tenant_id,
            method=method,
            client=client,
            created_at=now,
            last_used_at=now,
            expires_at=UnixTime(now + self.rules.absolute_s),
        )
        await store.insert_session(session, begun)
        secret = new_secret(REFRESH_PREFIX, self._random_bytes)
        token = RefreshToken(sha256=digest(secret), session_id=begun.session_id, created_at=now)
        await store.insert_refresh_token(session, token)
        issued = self._issued(begun, subject, secret)
        await self._enter(session, "session.start", begun, subject=issued.subject)
        return issued

    async def refresh(self, secret: str, *, tenant: str, client: Client) -> Issued:
        """Continue a session, for the same tenant or another. Raises RefreshRefused or NoTenant."""
        async with self._db.write() as session:
            issued = await self._continued(session, secret, tenant=tenant, client=client)
        if issued is None:
            raise RefreshRefused
        return issued

    async def end(self, session: WriteSession, ending: Session, reason: EndReason) -> None:
        """End one session: its access tokens are void within a moment. Safe to repeat."""
        if await store.end_session(session, ending.session_id, reason, now=self._clock.now()):
            await self._enter(session, "session.end", ending, reason=reason.value)
            session.after_commit(self._wake)

    async def end_all(
        self, session: WriteSession, user_id: str, reason: EndReason, *, but: str = "", subject: Subject | None = None
    ) -> int:
        """End every session of a user, but perhaps one, and return how many; other tokens of theirs are void too.

        `subject` is who does it, where the request has no token that says so."""
        now = self._clock.now()
        count = await store.end_sessions(session, user_id, reason, now=now, but=but)
        if not but:
            await store.void_tokens(session, user_id, now=now)
        await self._audit.enter(
            session,
            action="session.end-all",
            object_kind="user",
            object_id=user_id,
            reason=reason.value,
            subject=subject,
        )
        session.after_commit(self._wake)
        return count

    async def void(self, session: WriteSession, user_id: str) -> None:
        """Make the user's access tokens void: their rights have changed. Sessions go on, if they still may."""
        await store.void_tokens(session, user_id, now=self._clock.now())
        session.after_commit(self._wake)

    async def _continued(self, session: WriteSession, secret: str, *, tenant: str, client: Client) -> Issued | None:
        """Return what is given for the refresh token; None, with what follows from that written, when it is refused."""
        now = self._clock.now()
        token = await store.find_refresh_token(session, digest(secret))
        found = None if token is None else await store.find_session(session, token.session_id)
        if token is None or found is None or found.ended_at is not None:
            return None
        if (over := found.is_over(self.rules, now)) is not None:
            await self.end(session, found, over)
            return None
        successor = await store.find_refresh_token(session, token.successor) if token.successor else None
        step = judged(token, successor, same_client=client == found.client, rules=self.rules, now=now)
        if step is Step.END:
            await self.end(session, found, EndReason.REUSED)
            return None
        subject = await self._subject(session, found, tenant)
        if subject is None:
            await self.end(session, found, EndReason.NOT_PERMITTED)
            return None
        if successor is not None:
            await store.mark_used(session, successor, successor="", now=now)  # whoever has it after all is another
        return await self._rotated(session, token, replace(found, client=client, tenant_id=subject.tenant_id), subject)

    async def _rotated(self, session: WriteSession, token: RefreshToken, used: Session, subject: Subject) -> Issued:
        now = self._clock.now()
        secret = new_secret(REFRESH_PREFIX, self._random_bytes)
        given = RefreshToken(sha256=digest(secret), session_id=used.session_id, created_at=now)
        await store.insert_refresh_token(session, given)
        await store.mark_used(session, token, successor=given.sha256, now=now)
        used = replace(used, last_used_at=now)
        await store.touch_session(session, used)
        return self._issued(used, subject, secret)

    async def _subject(self, session: ReadSession, found: Session, tenant: str) -> Subject | None:
        """Return who the next token is for; None when the user may come into no tenant any more.

        Raises NoTenant when they asked for another tenant than they may come into; then nothing has changed.
        """
        try:
            return await subject_in(session, found.user_id, tenant or found.tenant_id)
        except NoTenant:
            if tenant:
                raise
        try:
            return await subject_in(session, found.user_id, "")
        except NoTenant:
            return None

    def _issued(self, used: Session, subject: Subject, secret: str) -> Issued:
        subject = replace(subject, session_id=used.session_id, issued_at=self._clock.now())
        access_token, expires_at = self._minter.sign(subject)
        return Issued(
            access_token=access_token,
            access_expires_at=expires_at,
            refresh_token=secret,
            session=used,
            subject=subject,
        )

    async def _enter(
        self, session: WriteSession, action: str, about: Session, *, subject: Subject | None = None, reason: str = ""
    ) -> None:
        await self._audit.enter(
            session,
            action=action,
            object_kind="session",
            object_id=about.session_id,
            object_name=about.method,
            reason=reason,
            subject=subject,
        )


async def subject_in(session: ReadSession, user_id: str, tenant: str) -> Subject:
    """Return what a user may do in the tenant of this id or name; without one in the first they may come into.

    Raises NoTenant, also for a tenant that does not exist.
    """
    if tenant:
        wanted = await tenant_by_word(session, tenant)
        choices = [] if wanted is None else [wanted]
    else:
        choices = [*await tenants_of(session, user_id), DEFAULT_TENANT_ID]
    for tenant_id in choices:
        subject = await find_subject(session, user_id, tenant_id)
        if subject is not None:
            return subject
    raise NoTenant(tenant)
