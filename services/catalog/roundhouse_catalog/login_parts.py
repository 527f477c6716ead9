"""Constructs what logins need: for `main.py`, and for tests that run the application in process."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from roundhouse_catalog.api.login_desk import LoginDesk
from roundhouse_catalog.api.logins import LoginRules, Logins
from roundhouse_catalog.api.minting import Minter
from roundhouse_catalog.api.oidc_client import OidcClient
from roundhouse_catalog.api.oidc_desk import OidcDesk
from roundhouse_catalog.api.oidc_people import OidcPeople
from roundhouse_catalog.api.session_desk import SessionDesk
from roundhouse_catalog.loops.identity import IdentityKeeper
from roundhouse_catalog.store.tenants import ADMIN_USER_ID
from roundhouse_common.auth.passwords import Passwords
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.database import Database
from roundhouse_common.http.audit import Audit
from roundhouse_common.runtime import Clock, Ids
from roundhouse_common.secret_box import SecretFile

__all__ = ["LoginParts", "build_logins"]

_ACTOR = "service:catalog"
_log = structlog.get_logger("roundhouse.catalog")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginParts:
    """The desks for the endpoints, and the loop that keeps them up to date."""

    logins: Logins
    keeper: IdentityKeeper

    async def run(self) -> None:
        """Keep everything up to date until cancelled; before that give the administrator their first password."""
        await self.give_first_password()
        await self.keeper.run()

    async def give_first_password(self) -> None:
        """Take it from the file if the administrator never had one."""
        path = self.logins.rules.first_password_file
        if path is None:
            return
        try:
            password = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("catalog.no_first_password", path=str(path), error=str(error))
            return
        if password and await self.logins.passwords.give_first(ADMIN_USER_ID, password):
            _log.info("catalog.first_password_set", path=str(path))


def build_logins(
    db: Database,
    verifier: TokenVerifier,
    passwords: Passwords,
    *,
    sealing: SecretFile,
    clock: Clock,
    ids: Ids,
    audit: Audit,
    rules: LoginRules,
    publish: Callable[[], None],
    public_url: Callable[[], str],
) -> LoginParts:
    """Return the parts. `publish` hurries the publishers of keys and sign-outs; `public_url` is what browsers reach."""
    minter = Minter(sealing, clock, ttl_s=rules.sessions.access_s)
    keeper = IdentityKeeper(
        db,
        clock,
        verifier,
        load=minter.load,
        make_key=lambda now: minter.make_key(signs_from=now, actor=_ACTOR),
        key_rules=rules.keys,
        session_rules=rules.sessions,
        publish=publish,
    )

    def changed() -> None:
        keeper.wake()
        publish()

    sessions = SessionDesk(
        db,
        minter,
        clock=clock,
        ids=ids,
        random_bytes=secrets.token_bytes,
        rules=rules.sessions,
        audit=audit,
        wake=changed,
    )
    desk = LoginDesk(db, passwords, sessions, clock=clock, random_bytes=secrets.token_bytes, audit=audit)
    oidc = OidcDesk(
        db,
        OidcClient(clock),
        OidcPeople(sessions, clock=clock, ids=ids, audit=audit),
        sessions,
        sealing=sealing,
        clock=clock,
        random_bytes=secrets.token_bytes,
        public_url=public_url,
        redirects=rules.redirects,
    )
    logins = Logins(passwords=desk, oidc=oidc, sessions=sessions, minter=minter, rules=rules, changed=changed)
    return LoginParts(logins=logins, keeper=keeper)
