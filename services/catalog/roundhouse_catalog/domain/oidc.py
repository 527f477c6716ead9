"""What an identity provider's word about a person means here. Pure: what was verified comes in, a decision goes out."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from roundhouse_catalog.domain.login_errors import OidcRefused
from roundhouse_catalog.domain.oidc_providers import OidcRules

__all__ = ["Person", "is_loopback", "is_secure", "person_of", "redirect_fault", "wanted_roles"]

_MOST_GROUPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody as the provider describes them."""

    subject: str
    login_name: str
    display_name: str
    email: str
    """Empty unless the provider has verified it."""
    groups: frozenset[str]


def person_of(claims: Mapping[str, Any], rules: OidcRules) -> Person:  # Any: JSON values
    """Return who it is. Raises OidcRefused for somebody whom the rules do not let in."""
    email = _text(claims.get("email")).lower() if claims.get("email_verified") is True else ""
    if rules.email_domains and email.rpartition("@")[2] not in rules.email_domains:
        raise OidcRefused("email_domain", "The provider has not verified an address of a domain that may log in.")
    groups = _groups(claims.get(rules.groups_claim))
    if rules.needs_group and rules.group_roles and not groups & {one.group for one in rules.group_roles}:
        raise OidcRefused("no_group", "You are in none of the groups that may log in.")
    subject = _text(claims.get("sub"))
    name = _text(claims.get(rules.name_claim)) or email or subject
    return Person(
        subject=subject,
        login_name=name.lower(),
        display_name=_text(claims.get("name"))[:128],
        email=email,
        groups=groups,
    )


def wanted_roles(person: Person, rules: OidcRules) -> dict[str, tuple[str, ...]]:
    """Return, by every tenant that the rules name, the roles that the groups give; nothing where they give none.

    The empty tenant stands for the platform.
    """
    found: dict[str, dict[str, None]] = {one.tenant_id: {} for one in rules.group_roles}
    for one in rules.group_roles:
        if one.group in person.groups:
            found[one.tenant_id].update(dict.fromkeys(one.roles))
    return {tenant_id: tuple(roles) for tenant_id, roles in found.items()}


def redirect_fault(redirect_uri: str, allowed: Sequence[str]) -> str | None:
    """Return why a client may not be answered there: only addresses of this machine, and those of the settings."""
    if redirect_uri in allowed:
        return None
    parts = urlsplit(redirect_uri)
    if parts.scheme == "http" and is_loopback(parts.hostname or "") and not parts.fragment and "@" not in parts.netloc:
        return None
    return "it is neither http://127.0.0.1:PORT/... nor one of ROUNDHOUSE_CATALOG_LOGIN_REDIRECTS"


def is_secure(url: str) -> bool:
    """Say whether nobody on the way can change what comes from there."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )


def is_loopback(host: str) -> bool:
    """Say whether this is the machine itself. Only `localhost` of all names: others may be anybody's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _groups(value: object) -> frozenset[str]:
    """Return the names, also where a provider sends one name as a text."""
    if isinstance(value, str):
        return frozenset([value])
    if not isinstance(value, list):
        return frozenset()
    return frozenset(one for one in value[:_MOST_GROUPS] if isinstance(one, str))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
