"""Logs people in by their password, and changes passwords."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from roundhouse_catalog.api.session_desk import Issued, SessionDesk
from roundhouse_catalog.domain.directory_errors import UserNotFound
from roundhouse_catalog.domain.lockouts import (
    BY_ADDRESS,
    BY_NAME,
    NO_ATTEMPTS,
    Attempts,
    LockoutRules,
    begun,
    succeeded,
    wait_s,
)
from roundhouse_catalog.domain.login_errors import (
    LoginRefused,
    PasswordChangeRequired,
    PasswordExpired,
    TooManyLogins,
)
from roundhouse_catalog.domain.passwords import check_new_password, normalised
from roundhouse_catalog.domain.sessions import Client, EndReason
from roundhouse_catalog.store import logins as store
from roundhouse_catalog.store.logins import Account, Credential
from roundhouse_common.auth import Subject, SubjectKind
from roundhouse_common.auth.passwords import Passwords
from roundhouse_common.contracts.identity import AuditOutcome
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.http.audit import Audit
from roundhouse_common.http.trail import mark_told
from roundhouse_common.runtime import Clock, UnixTime

__all__ = ["GIVEN_S", "LoginDesk", "Proven"]

GIVEN_S = 7 * 86_400.0
"""A password that an administrator gave is good for a first login for so long."""
_GIVEN_BYTES = 15
_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Somebody who knows the password."""

    account: Account
    credential: Credential


class LoginDesk:
    """Whoever fails learns the same, after the same time, whether there is such a user or not."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        sessions: SessionDesk,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        audit: Audit,
        by_name: LockoutRules = BY_NAME,
        by_address: LockoutRules = BY_ADDRESS,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._sessions = sessions
        self._clock = clock
        self._random_bytes = random_bytes
        self._audit = audit
        self._by_name = by_name
        self._by_address = by_address

    async def log_in(self, name: str, password: str, *, tenant: str, client: Client) -> Issued:
        """Begin a session. Raises LoginRefused, TooManyLogins, PasswordChangeRequired, PasswordExpired or NoTenant."""
        proven = await self._proven(name, password, client)
        credential = proven.credential
        if credential.expires_at and self._clock.now() >= credential.expires_at:
            raise PasswordExpired
        if credential.must_change:
            raise PasswordChangeRequired
        rehashed = None
        if self._passwords.is_outdated(credential.password_hash):
            rehashed = await self._passwords.hash(normalised(password))
        async with self._db.write() as session:
            await _require_unchanged(session, credential)
            if rehashed is not None:
                await store.put_credential(session, replace(credential, password_hash=rehashed))
            user_id = proven.account.user_id
            return await self._sessions.begin(session, user_id, tenant=tenant, method="password", client=client)

    async def change(self, name: str, password: str, new_password: str, *, client: Client) -> None:
        """Put a password of the user's own in the place of the one they have. It ends their sessions.

        Raises LoginRefused, TooManyLogins, PasswordExpired, and InvalidInput for a weak one.
        """
        check_new_password(new_password, login_name=name, old=password)
        proven = await self._proven(name, password, client)
        if proven.credential.expires_at and self._clock.now() >= proven.credential.expires_at:
            raise PasswordExpired
        hashed = await self._passwords.hash(normalised(new_password))
        user_id = proven.account.user_id
        async with self._db.write() as session:
            await _require_unchanged(session, proven.credential)
            now = self._clock.now()
            changed = Credential(user_id=user_id, password_hash=hashed, changed_at=now)
            await store.put_credential(session, changed)
            await self._enter(session, "password.change", proven.account)
            owner = Subject(id=user_id, tenant_id="")
            await self._sessions.end_all(session, user_id, EndReason.PASSWORD_CHANGED, subject=owner)

    async def give(self, user_id: str, password: str = "") -> str:
        """Give a user a password for their first login, ending their sessions, and return it: the only time.

        Raises UserNotFound.
        """
        async with self._db.read() as session:
            account = await store.find_account_by_id(session, user_id)
        if account is None or account.kind != SubjectKind.USER:
            raise UserNotFound(user_id)
        given = password or self._random_bytes(_GIVEN_BYTES).hex()
        hashed = await self._passwords.hash(normalised(given))
        async with self._db.write() as session:
            now = self._clock.now()
            credential = Credential(
                user_id=user_id,
                password_hash=hashed,
                must_change=True,
                expires_at=UnixTime(0.0) if password else UnixTime(now + GIVEN_S),
                changed_at=now,
            )
            await store.put_credential(session, credential)
            await self._enter(session, "password.reset", account)
            await self._sessions.end_all(session, user_id, EndReason.PASSWORD_CHANGED)
        return given

    async def give_first(self, user_id: str, password: str) -> bool:
        """Give the user this password if they never had one; return whether. It does not expire."""
        async with self._db.read() as session:
            if await store.find_credential(session, user_id) is not None:
                return False
        hashed = await self._passwords.hash(normalised(password))
        async with self._db.write() as session:
            if await store.find_credential(session, user_id) is not None:
                return False
            now = self._clock.now()
            first = Credential(user_id=user_id, password_hash=hashed, must_change=True, changed_at=now)
            await store.put_credential(session, first)
        return True

    async def _proven(self, name: str, password: str, client: Client) -> Proven:
        """Return who this is. The attempt counts as failed until the password was found right."""
        mark_told(action="session.start", object_kind="user", object_name=name[:_NAME_CHARACTERS])
        sources = {_source("name", name.casefold()): self._by_name}
        if client.address:
            sources[_source("address", client.address)] = self._by_address
        async with self._db.write() as session:
            await self._begin(session, sources)
            account = await store.find_account(session, name)
            credential = None if account is None else await store.find_credential(session, account.user_id)
        stored = None if credential is None else credential.password_hash
        is_right = await self._passwords.is_right(stored, normalised(password))
        if not is_right or account is None or credential is None or account.is_disabled:
            await self._failed(sources, name, account)
            raise LoginRefused
        async with self._db.write() as session:
            remembered = await store.read_attempts(session, list(sources))
            forgiven = {one: succeeded(remembered.get(one, NO_ATTEMPTS), sources[one]) for one in sources}
            forgiven[next(iter(sources))] = NO_ATTEMPTS
            await store.put_attempts(session, forgiven)
        return Proven(account=account, credential=credential)

    async def _begin(self, session: WriteSession, sources: dict[str, LockoutRules]) -> None:
        now = self._clock.now()
        remembered = await store.read_attempts(session, list(sources))
        longest = max(wait_s(attempts, now) for attempts in (*remembered.values(), NO_ATTEMPTS))
        if longest > 0:
            raise TooManyLogins(longest)
        counted = {one: begun(remembered.get(one, NO_ATTEMPTS), rules, now) for one, rules in sources.items()}
        await store.put_attempts(session, counted)

    async def _failed(self, sources: dict[str, LockoutRules], name: str, account: Account | None) -> None:
        """Enter it into the audit when it locks the name or the address."""
        async with self._db.write() as session:
            remembered = await store.read_attempts(session, list(sources))
            locked = {one: attempts for one, attempts in remembered.items() if _locks(attempts)}
            for one in locked:
                await self._audit.enter(
                    session,
                    action="login.lock",
                    object_kind=one.partition(":")[0],
                    object_id=account.user_id if account is not None and one.startswith("name:") else "",
                    object_name=name[:_NAME_CHARACTERS],
                    outcome=AuditOutcome.REFUSED,
                    reason=TooManyLogins.code,
                )

    async def _enter(self, session: WriteSession, action: str, account: Account) -> None:
        subject = Subject(id=account.user_id, tenant_id="") if action == "password.change" else None
        await self._audit.enter(
            session,
            action=action,
            object_kind="user",
            object_id=account.user_id,
            object_name=account.name,
            subject=subject,
        )


async def _require_unchanged(session: WriteSession, proven: Credential) -> None:
    """Raise LoginRefused where the password was replaced while it was checked, which takes a while: what ends every
    session would miss the one that is about to begin."""
    if await store.find_credential(session, proven.user_id) != proven:
        raise LoginRefused


def _locks(attempts: Attempts) -> bool:
    return attempts.locked_until > attempts.last_at


def _source(kind: str, value: str) -> str:
    """Return the key of a name or address; a digest, because people type their password as a name now and then."""
    return f"{kind}:{hashlib.sha256(value.encode('utf-8', errors='replace')).hexdigest()}"
