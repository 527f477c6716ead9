"""What administrators do about logins: first passwords, ending others' sessions, replacing signing keys."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from roundhouse_catalog.api.context import Catalog, CatalogHere
from roundhouse_catalog.api.login_admin_schemas import (
    GivenPasswordView,
    RotationToStart,
    SigningKeysView,
    SigningKeyView,
)
from roundhouse_catalog.api.login_desk import GIVEN_S
from roundhouse_catalog.api.responses import MISSING, SEALING
from roundhouse_catalog.api.session_schemas import SignedOutView
from roundhouse_catalog.api.sessions import NO_STORE
from roundhouse_catalog.api.tokens import require_to_hold_all
from roundhouse_catalog.domain.directory_errors import UserNotFound
from roundhouse_catalog.domain.sessions import EndReason
from roundhouse_catalog.domain.signing_keys import SigningKey, current_key
from roundhouse_catalog.store.logins import find_account_by_id, tenants_of
from roundhouse_catalog.store.signing_keys import all_signing_keys, insert_signing_key, update_signing_key
from roundhouse_common.auth import Subject, SubjectKind, allowed
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.errors import Forbidden
from roundhouse_common.http import requires
from roundhouse_common.http.idempotency import reply
from roundhouse_common.runtime import UnixTime
from roundhouse_common.secret_box import SecretBox

__all__ = ["reseal_signing_keys", "router"]

router = APIRouter(prefix="/api/v1", tags=["logins"])
MembersWriter = Annotated[Subject, Depends(requires("members:write"))]
Administrator = Annotated[Subject, Depends(requires("platform:admin"))]


@router.post("/users/{user_id}/password:reset", response_model=GivenPasswordView, responses=MISSING)
async def reset_password(user_id: str, subject: MembersWriter, catalog: CatalogHere) -> Response:
    """Give somebody a password for a first login, and end their sessions. It is shown this once.

    Whoever administers a tenant may do it for people who belong to no other, and hold no more than they do.
    """
    async with catalog.db.read() as session:
        await _require_power_over(session, subject, user_id)
    expires_at = UnixTime(catalog.clock.now() + GIVEN_S)
    password = await catalog.logins.passwords.give(user_id)
    return reply(GivenPasswordView(password=password, expires_at=expires_at), 200, NO_STORE)


@router.post("/users/{user_id}:sign-out", responses=MISSING)
async def sign_out_user(user_id: str, subject: MembersWriter, catalog: CatalogHere) -> SignedOutView:
    """End every session of somebody; their access tokens are void at once, and their personal tokens stay."""
    async with catalog.db.write() as session:
        await _require_power_over(session, subject, user_id)
        ended = await catalog.logins.sessions.end_all(session, user_id, EndReason.SIGNED_OUT_EVERYWHERE)
    return SignedOutView(sessions_ended=ended)


@router.get("/signing-keys", dependencies=[Depends(requires("platform:admin"))])
async def list_signing_keys(catalog: CatalogHere) -> SigningKeysView:
    """List the keys that access tokens are verified with now."""
    async with catalog.db.read() as session:
        return _shown(await all_signing_keys(session), catalog)


@router.post("/signing-keys:rotate", response_model=SigningKeysView, responses=SEALING)
async def rotate_signing_keys(body: RotationToStart, subject: Administrator, catalog: CatalogHere) -> SigningKeysView:
    """Replace the signing key. The new one is published now and signs a little later; the old one stays until the last
    token that it signed has expired, so nobody notices."""
    now = catalog.clock.now()
    lead_s = 0.0 if body.is_compromised else catalog.logins.rules.keys.lead_s
    made = catalog.logins.minter.make_key(signs_from=UnixTime(now + lead_s), actor=subject.actor)
    async with catalog.db.write() as session:
        keys = await all_signing_keys(session)
        if body.is_compromised:
            for old in keys:
                if old.withdrawn_at is None:
                    await update_signing_key(session, replace(old, withdrawn_at=now, sealed_private=""))
        await insert_signing_key(session, made)
        keys = await all_signing_keys(session)
        reason = "compromised" if body.is_compromised else ""
        await catalog.audit.enter(
            session, action="signing-key.rotate", object_kind="signing-key", object_id=made.kid, reason=reason
        )
        session.after_commit(catalog.logins.changed)
    return _shown(keys, catalog)


async def reseal_signing_keys(session: WriteSession, box: SecretBox) -> tuple[int, int]:
    """Seal the private halves with the first key of the file; return how many needed it, of how many."""
    keys = [key for key in await all_signing_keys(session) if key.sealed_private]
    stale = [key for key in keys if not box.is_current(key.sealed_private)]
    for key in stale:
        await update_signing_key(session, replace(key, sealed_private=box.seal(box.open(key.sealed_private))))
    return len(stale), len(keys)


def _shown(keys: list[SigningKey], catalog: Catalog) -> SigningKeysView:
    current = current_key(keys, catalog.clock.now())
    kid = "" if current is None else current.kid
    shown = [key for key in keys if key.withdrawn_at is None]
    return SigningKeysView(items=[SigningKeyView.of(key, current=kid) for key in shown])


async def _require_power_over(session: ReadSession, subject: Subject, user_id: str) -> None:
    """Raise UserNotFound for who is not theirs to see, Forbidden and MoreThanHeld for who is more than they are."""
    account = await find_account_by_id(session, user_id)
    tenants = [] if account is None else await tenants_of(session, user_id)
    may_all = allowed(subject, "platform:admin", subject.tenant_id)
    if account is None or account.kind != SubjectKind.USER or not (may_all or subject.tenant_id in tenants):
        raise UserNotFound(user_id)
    if not may_all and tenants != [subject.tenant_id]:
        raise Forbidden("They belong to other tenants too: only who has platform:admin may act on their login.")
    await require_to_hold_all(session, subject, user_id)
