"""Why somebody does not come in.

RoundhouseError
├── Unauthenticated
│   ├── LoginRefused            401  login_refused
│   ├── RefreshRefused          401  refresh_refused
│   └── ExchangeRefused         401  token_refused
├── Forbidden
│   ├── PasswordChangeRequired  403  password_change_required
│   ├── PasswordExpired         403  password_expired
│   ├── NoTenant                403  no_tenant
│   └── OidcRefused             403  oidc_refused, with a reason
├── TooManyLogins               429  too_many_logins
├── NotFound
│   ├── OidcProviderNotFound    404  oidc_provider_not_found
│   ├── SessionNotFound         404  session_not_found
│   └── TokenNotFound           404  token_not_found
└── Unavailable
    ├── NoSigningKey            503  no_signing_key
    └── OidcProviderAway        503  oidc_provider_away

None says whether there is a user of a name: who asks may be anybody.
"""

from roundhouse_common.errors import Forbidden, NotFound, RoundhouseError, Unauthenticated, Unavailable
from roundhouse_common.words import quoted

__all__ = [
    "ExchangeRefused",
    "LoginRefused",
    "NoSigningKey",
    "NoTenant",
    "OidcProviderAway",
    "OidcProviderNotFound",
    "OidcRefused",
    "PasswordChangeRequired",
    "PasswordExpired",
    "RefreshRefused",
    "SessionNotFound",
    "TokenNotFound",
    "TooManyLogins",
]


class LoginRefused(Unauthenticated):
    code = "login_refused"

    def __init__(self) -> None:
        super().__init__("Login name and password do not belong together, or may not log in here.")


class RefreshRefused(Unauthenticated):
    code = "refresh_refused"

    def __init__(self) -> None:
        super().__init__("The session has ended, or this refresh token is not its newest; log in again.")


class ExchangeRefused(Unauthenticated):
    code = "token_refused"

    def __init__(self) -> None:
        super().__init__(
            "The token is not one of ours, has expired, was revoked, or its owner may not come in any more."
        )


class PasswordChangeRequired(Forbidden):
    code = "password_change_required"

    def __init__(self) -> None:
        super().__init__(
            "The password was chosen by somebody else: choose your own with POST /api/v1/password:change or"
            " `roundhouse passwd`, then log in with it."
        )


class PasswordExpired(Forbidden):
    code = "password_expired"

    def __init__(self) -> None:
        super().__init__("The password was given for a first login and has expired; ask an administrator for another.")


class NoTenant(Forbidden):
    code = "no_tenant"

    def __init__(self, wanted: str = "") -> None:
        which = f"of {quoted(wanted)}" if wanted else "of any tenant that is there"
        super().__init__(
            f"The user is not a member {which}, or it is suspended; GET /api/v1/sessions/tenants lists yours."
        )


class TooManyLogins(RoundhouseError):
    code = "too_many_logins"
    status = 429

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"Too many attempts have failed. Wait {wait_s:.0f} seconds, then try again.")
        self.try_again_in_s = wait_s


class SessionNotFound(NotFound):
    code = "session_not_found"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"You have no session with the id {quoted(session_id)}. GET /api/v1/sessions lists yours.")


class TokenNotFound(NotFound):
    code = "token_not_found"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"There is no token with the id {quoted(token_id)}. GET /api/v1/tokens lists those there are.")


class NoSigningKey(Unavailable):
    code = "no_signing_key"

    def __init__(self) -> None:
        super().__init__("There is no key to sign access tokens with: set ROUNDHOUSE_CATALOG_SECRETS_KEY_FILE.")


class OidcRefused(Forbidden):
    """The provider's word is not believed, or not enough. `reason` is for programs and the audit."""

    code = "oidc_refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OidcProviderNotFound(NotFound):
    code = "oidc_provider_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no identity provider {quoted(name)} that is enabled; GET /api/v1/login lists them.")


class OidcProviderAway(Unavailable):
    code = "oidc_provider_away"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"The identity provider {quoted(name)} cannot be used now: {why}.")
