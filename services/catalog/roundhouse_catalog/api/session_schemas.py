"""Bodies of `/sessions`."""

from typing import Self

from pydantic import Field, SecretStr

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.api.session_desk import Issued
from roundhouse_catalog.domain.sessions import Session
from roundhouse_common.http import Timestamp

__all__ = ["PasswordToChange", "SessionToRefresh", "SessionToStart", "SessionView", "SignedOutView", "TokensView"]

_SECRET_CHARACTERS = 1024
_NAME_CHARACTERS = 254


class SessionToStart(Body):
    """Who logs in."""

    login_name: str = Field(min_length=1, max_length=_NAME_CHARACTERS, examples=["admin"])
    password: SecretStr = Field(max_length=_SECRET_CHARACTERS)
    tenant: str = Field(
        default="", max_length=128, description="Id or name of the tenant to work in. Absent: the first of yours."
    )


class SessionToRefresh(Body):
    """A session to continue."""

    refresh_token: SecretStr = Field(max_length=_SECRET_CHARACTERS)
    tenant: str = Field(default="", max_length=128, description="Id or name of the tenant to switch to.")


class PasswordToChange(Body):
    """A password to choose, also at the first login."""

    login_name: str = Field(min_length=1, max_length=_NAME_CHARACTERS)
    password: SecretStr = Field(max_length=_SECRET_CHARACTERS, description="The one that there is.")
    new_password: SecretStr = Field(max_length=_SECRET_CHARACTERS, description="At least 12 characters.")


class TokensView(View):
    """What a client works with. The refresh token is good for one use: each answer brings the next."""

    access_token: str = Field(description="For `Authorization: Bearer`, at every service.")
    token_type: str = "Bearer"
    expires_at: Timestamp = Field(description="Of the access token.")
    expires_in: int = Field(description="Seconds that the access token lives.")
    refresh_token: str
    session_id: str
    session_expires_at: Timestamp = Field(description="However often it is refreshed.")
    user_id: str
    tenant_id: str

    @classmethod
    def of(cls, issued: Issued) -> Self:
        return cls(
            access_token=issued.access_token,
            expires_at=issued.access_expires_at,
            expires_in=round(issued.access_expires_at - issued.subject.issued_at),
            refresh_token=issued.refresh_token,
            session_id=issued.session.session_id,
            session_expires_at=issued.session.expires_at,
            user_id=issued.subject.id,
            tenant_id=issued.subject.tenant_id,
        )


class SessionView(View):
    """One of your logins."""

    id: str = Field(examples=["ses_0193a0c5f0d97c3e8a4b5c6d7e8f9012"])
    method: str = Field(description="`password`, or `oidc:` and the provider's name.")
    tenant_id: str
    client_address: str
    user_agent: str
    is_current: bool
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp

    @classmethod
    def of(cls, session: Session, *, current: str) -> Self:
        return cls(
            id=session.session_id,
            method=session.method,
            tenant_id=session.tenant_id,
            client_address=session.client.address,
            user_agent=session.client.user_agent,
            is_current=session.session_id == current,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )


class SignedOutView(View):
    """What was ended."""

    sessions_ended: int
