"""Identity providers that people log in with, and what their words about a person mean here."""

import msgspec

from roundhouse_common.runtime import UnixTime

__all__ = ["GroupRole", "OidcProvider", "OidcRules"]


class GroupRole(msgspec.Struct, frozen=True, kw_only=True):
    """What a group of the provider gives its members."""

    group: str
    tenant_id: str = ""
    """Empty: roles on the platform."""
    roles: tuple[str, ...]


class OidcRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in, and as whom."""

    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    name_claim: str = "preferred_username"
    """What becomes the login name of somebody new."""
    group_roles: tuple[GroupRole, ...] = ()
    """Applied at every login: who left a group loses what it gave."""
    creates_users: bool = False
    """Whether somebody unknown gets an account at the first login."""
    needs_group: bool = True
    """Whether only members of a group of `group_roles` may log in."""
    links_by_email: bool = False
    """Whether somebody unknown is the user with the same address, if the provider has verified it."""
    email_domains: tuple[str, ...] = ()
    """Whose verified addresses may log in; empty: any, also unverified."""
    clock_skew_s: float = 60.0


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True):
    """One identity provider."""

    provider_id: str
    name: str
    issuer: str
    client_id: str
    sealed_secret: str
    """Empty: a public client, which only PKCE protects."""
    rules: OidcRules
    is_enabled: bool
    generation: int
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str
    is_deleted: bool = False
