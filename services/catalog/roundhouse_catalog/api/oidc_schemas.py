"""Bodies of `/oidc-providers` and `/login`."""

from typing import Self

import msgspec
from pydantic import Field, SecretStr

from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.oidc_providers import GroupRole, OidcProvider, OidcRules
from roundhouse_common.http import Timestamp

__all__ = [
    "CodeToRedeem",
    "GroupRoleBody",
    "LoginOptionsView",
    "OidcCheckView",
    "OidcProviderToAdd",
    "OidcProviderView",
    "OidcRulesBody",
]


class GroupRoleBody(Body):
    """What a group of the provider gives its members, applied at every login."""

    group: str = Field(min_length=1, max_length=256)
    tenant_id: str = Field(default="", max_length=64, description="Absent: roles on the platform.")
    roles: list[str] = Field(min_length=1, max_length=16, examples=[["deployer"]])


class OidcRulesBody(Body):
    """Who may come in, and as whom."""

    scopes: list[str] = Field(default=["openid", "profile", "email"], max_length=32)
    groups_claim: str = Field(default="groups", min_length=1, max_length=128)
    name_claim: str = Field(default="preferred_username", min_length=1, max_length=128)
    group_roles: list[GroupRoleBody] = Field(default=[], max_length=500)
    creates_users: bool = Field(default=False, description="Somebody unknown gets an account at the first login.")
    needs_group: bool = Field(default=True, description="Only members of a group of `group_roles` may log in.")
    links_by_email: bool = Field(
        default=False,
        description="Somebody unknown is the user with the same address, if the provider has verified it.",
    )
    email_domains: list[str] = Field(
        default=[], max_length=100, description="Whose verified addresses may log in; empty: any."
    )
    clock_skew_s: float = Field(default=60.0, ge=0, le=600)

    def rules(self) -> OidcRules:
        return OidcRules(
            scopes=tuple(dict.fromkeys(["openid", *self.scopes])),
            groups_claim=self.groups_claim,
            name_claim=self.name_claim,
            group_roles=tuple(
                GroupRole(group=one.group, tenant_id=one.tenant_id, roles=tuple(one.roles)) for one in self.group_roles
            ),
            creates_users=self.creates_users,
            needs_group=self.needs_group,
            links_by_email=self.links_by_email,
            email_domains=tuple(domain.lower() for domain in self.email_domains),
            clock_skew_s=self.clock_skew_s,
        )


class OidcProviderToAdd(Body):
    """An identity provider, whole: a change replaces everything but its name, and the secret where none is sent."""

    name: str = Field(description="In addresses and on login pages.", examples=["corporate"])
    issuer: str = Field(max_length=512, examples=["https://login.example.org/realms/corporate"])
    client_id: str = Field(min_length=1, max_length=256)
    client_secret: SecretStr | None = Field(
        default=None, max_length=1024, description="Absent: a public client, or the secret that there is."
    )
    rules: OidcRulesBody = OidcRulesBody()
    is_enabled: bool = True


class OidcProviderView(View):
    """An identity provider, without its secret."""

    id: str
    name: str
    issuer: str
    client_id: str
    has_secret: bool
    callback_url: str = Field(description="What to enter at the provider as redirect URI.")
    rules: OidcRulesBody
    is_enabled: bool
    generation: int
    created_at: Timestamp
    created_by: str
    updated_at: Timestamp
    updated_by: str

    @classmethod
    def of(cls, provider: OidcProvider, *, public_url: str) -> Self:
        return cls(
            id=provider.provider_id,
            name=provider.name,
            issuer=provider.issuer,
            client_id=provider.client_id,
            has_secret=bool(provider.sealed_secret),
            callback_url=f"{public_url}/api/v1/login/oidc/{provider.name}/callback",
            rules=OidcRulesBody.model_validate(msgspec.to_builtins(provider.rules, builtin_types=()), strict=False),
            is_enabled=provider.is_enabled,
            generation=provider.generation,
            created_at=provider.created_at,
            created_by=provider.created_by,
            updated_at=provider.updated_at,
            updated_by=provider.updated_by,
        )


class OidcCheckView(View):
    """Whether an identity provider can be reached, and what it publishes. Nobody's login is tried."""

    is_usable: bool
    error: str = Field(description="Why not; empty when it is.")
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str = Field(description="Empty: groups must be in its tokens.")
    end_session_endpoint: str = Field(description="Empty: logging out here logs nobody out there.")
    keys: int = Field(description="That it signs tokens with.")
    callback_url: str


class LoginOptionsView(View):
    """How people can log in here."""

    password: bool = True
    oidc: list[str] = Field(description="Names of identity providers: `/api/v1/login/oidc/{name}`.")


class CodeToRedeem(Body):
    """What a client got at the end of a login at an identity provider."""

    code: SecretStr = Field(max_length=128)
    code_verifier: SecretStr = Field(max_length=256, description="Whose SHA-256 the client sent as `code_challenge`.")
    tenant: str = Field(default="", max_length=128)
