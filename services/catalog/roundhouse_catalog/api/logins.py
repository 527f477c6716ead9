"""What the endpoints of logins work with: built in `login_parts.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from roundhouse_catalog.api.login_desk import LoginDesk
from roundhouse_catalog.api.minting import Minter
from roundhouse_catalog.api.oidc_desk import OidcDesk
from roundhouse_catalog.api.session_desk import SessionDesk
from roundhouse_catalog.domain.sessions import SessionRules
from roundhouse_catalog.domain.signing_keys import KeyRules

__all__ = ["LoginRules", "Logins"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRules:
    """What operators can set."""

    sessions: SessionRules
    keys: KeyRules
    first_password_file: Path | None = None
    redirects: tuple[str, ...] = ()
    """Where clients may be answered after a login at an identity provider, beside this machine itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """The desks where people prove who they are."""

    passwords: LoginDesk
    sessions: SessionDesk
    oidc: OidcDesk
    minter: Minter
    rules: LoginRules
    changed: Callable[[], None]
    """Hurries whatever must hear of new keys and of sign-outs; for `WriteSession.after_commit`."""
