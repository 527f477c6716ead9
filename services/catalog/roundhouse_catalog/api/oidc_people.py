"""Makes of a person at an identity provider a user here: known, linked or new, with the roles of their groups."""

from dataclasses import replace

import structlog

from roundhouse_catalog.api.granting import require_still_administered
from roundhouse_catalog.api.session_desk import SessionDesk
from roundhouse_catalog.domain.directory_errors import LastAdministrator
from roundhouse_catalog.domain.history import History
from roundhouse_catalog.domain.login_errors import OidcRefused
from roundhouse_catalog.domain.oidc import Person, wanted_roles
from roundhouse_catalog.domain.oidc_providers import OidcProvider
from roundhouse_catalog.domain.people import Membership, User, create_user
from roundhouse_catalog.store import oidc as store
from roundhouse_catalog.store import people
from roundhouse_common.database import WriteSession
from roundhouse_common.errors import RoundhouseError
from roundhouse_common.http.audit import Audit
from roundhouse_common.runtime import Clock, Ids

__all__ = ["OidcPeople"]

_log = structlog.get_logger("roundhouse.catalog")


class OidcPeople:
    """Finds or makes the user, and gives them what their groups give."""

    def __init__(self, sessions: SessionDesk, *, clock: Clock, ids: Ids, audit: Audit) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ids = ids
        self._audit = audit

    async def user_of(self, session: WriteSession, provider: OidcProvider, person: Person) -> User:
        """Return the user that this is. Raises OidcRefused."""
        user_id = await store.find_identity(session, provider.provider_id, person.subject)
        user = None if user_id is None else await people.find_user(session, None, user_id)
        if user is None and user_id is None:
            user = await self._linked(session, provider, person) or await self._created(session, provider, person)
        if user is None or user.is_disabled:
            raise OidcRefused("not_permitted", "You are not a user here, or may not log in any more.")
        await store.put_identity(
            session,
            provider_id=provider.provider_id,
            subject=person.subject,
            user_id=user.user_id,
            email=person.email,
            now=self._clock.now(),
        )
        return await self._with_roles(session, provider, person, user)

    async def _linked(self, session: WriteSession, provider: OidcProvider, person: Person) -> User | None:
        """Return the one user with the verified address, where the provider is trusted with that."""
        if not provider.rules.links_by_email or not person.email:
            return None
        found = await store.users_with_email(session, person.email)
        if len(found) > 1:
            raise OidcRefused("email_not_unique", "Several users have your address; an administrator must choose one.")
        if not found:
            return None
        await self._enter(session, "user.link", found[0], person, provider)
        return await people.find_user(session, None, found[0])

    async def _created(self, session: WriteSession, provider: OidcProvider, person: Person) -> User:
        if not provider.rules.creates_users:
            raise OidcRefused("unknown_user", "You are not a user here yet; ask an administrator to add you.")
        try:
            user = create_user(
                User(
                    user_id=self._ids.new("usr"),
                    name=person.login_name,
                    display_name=person.display_name,
                    email=person.email,
                    history=History.begun(self._clock.now(), _actor(provider)),
                )
            )
            await people.insert_user(session, user)
        except RoundhouseError as error:
            raise OidcRefused("login_name", f"No user can be made of what the provider says: {error}") from error
        await self._enter(session, "user.create", user.user_id, person, provider)
        return user

    async def _with_roles(self, session: WriteSession, provider: OidcProvider, person: Person, user: User) -> User:
        """Give and take what the groups say, but never from the last administrator. In tenants that the rules do not
        name any more only what groups gave there goes."""
        before = await store.given_roles(session, provider.provider_id, person.subject)
        named = wanted_roles(person, provider.rules)
        given = {tenant_id: roles for tenant_id, roles in named.items() if roles}
        wanted = dict(named)
        for tenant_id in before.keys() - named.keys():
            held = await self._held(session, user, tenant_id)
            wanted[tenant_id] = tuple(role for role in held if role not in before[tenant_id])
        changed = False
        for tenant_id, roles in wanted.items():
            try:
                async with session.savepoint():
                    changed |= await self._set_roles(session, provider, user, tenant_id, roles)
            except LastAdministrator as error:
                _log.warning("catalog.role_kept", user_id=user.user_id, tenant_id=tenant_id, why=str(error))
                given[tenant_id] = before.get(tenant_id, ())
        if given != before:
            await store.put_given_roles(session, provider.provider_id, person.subject, given)
        if changed:
            await self._enter(session, "user.group-roles", user.user_id, person, provider)
            await self._sessions.void(session, user.user_id)
        return await people.find_user(session, None, user.user_id) or user

    async def _held(self, session: WriteSession, user: User, tenant_id: str) -> tuple[str, ...]:
        if not tenant_id:
            return user.platform_roles
        found = await people.find_membership(session, tenant_id, user.user_id)
        return () if found is None else found.roles

    async def _set_roles(
        self, session: WriteSession, provider: OidcProvider, user: User, tenant_id: str, roles: tuple[str, ...]
    ) -> bool:
        """Make the roles in one tenant, or on the platform, these; return whether they were others."""
        before = await people.administrators(session, [tenant_id])
        if not tenant_id:
            is_changed = await self._set_platform_roles(session, provider, user, roles)
        else:
            is_changed = await self._set_membership(session, provider, user, tenant_id, roles)
        if is_changed:
            await require_still_administered(session, before, [tenant_id])
        return is_changed

    async def _set_platform_roles(
        self, session: WriteSession, provider: OidcProvider, user: User, roles: tuple[str, ...]
    ) -> bool:
        if set(user.platform_roles) == set(roles):
            return False
        history = user.history.next(self._clock.now(), _actor(provider))
        await people.update_user(session, replace(user, platform_roles=roles, history=history))
        return True

    async def _set_membership(
        self, session: WriteSession, provider: OidcProvider, user: User, tenant_id: str, roles: tuple[str, ...]
    ) -> bool:
        now, actor = self._clock.now(), _actor(provider)
        found = await people.find_membership(session, tenant_id, user.user_id)
        if found is None:
            if roles:
                history = History.begun(now, actor)
                joined = Membership(user_id=user.user_id, tenant_id=tenant_id, roles=roles, history=history)
                await people.insert_membership(session, joined)
            return bool(roles)
        if set(found.roles) == set(roles):
            return False
        if roles or found.own_role_ids or found.project_roles:
            revised = replace(found, roles=roles, history=found.history.next(now, actor))
            await people.update_membership(session, revised)
        else:
            await people.delete_membership(session, found)
        return True

    async def _enter(
        self, session: WriteSession, action: str, user_id: str, person: Person, provider: OidcProvider
    ) -> None:
        await self._audit.enter(
            session,
            action=action,
            object_kind="user",
            object_id=user_id,
            object_name=person.login_name[:128],
            actor=_actor(provider),
        )


def _actor(provider: OidcProvider) -> str:
    return f"service:oidc-{provider.name}"
