"""Access tokens: short-lived EdDSA JWTs that every service verifies by itself with the public keys.

The algorithm is pinned to Ed25519, the name that RFC 9864 gives to EdDSA on that curve, so neither `none` nor a MAC
made with the public key gets through. The `kid` must name a key that is known: of the file that operators give to each
service, or of those that the catalog publishes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import GuestProtocol, KeySet, OKPKey

from roundhouse_common.auth.permissions import ACTIONS, Role, Subject, SubjectKind
from roundhouse_common.auth.sign_outs import SignOuts
from roundhouse_common.contracts.identity import SignOut, TenantRecord
from roundhouse_common.errors import Forbidden, Unauthenticated
from roundhouse_common.runtime import Clock, SystemClock

__all__ = ["AUDIENCE", "ISSUER", "TokenSigner", "TokenVerifier", "generate_keypair"]

ISSUER: Final = "roundhouse"
AUDIENCE: Final = "roundhouse"
_ALGORITHMS: Final = ["Ed25519"]
_CLOCK_SKEW_S: Final = 5
"""Hosts' clocks may differ by this much."""
_MAX_TOKEN_CHARS: Final = 16_384
"""Somebody with a role in each of a hundred projects has a long one."""
_KNOWN: Final = frozenset(str(role) for role in Role)


def generate_keypair() -> tuple[str, str]:
    """Return a new private JWK and the JWK set with its public half, both as JSON texts, tied by their `kid`."""
    key = OKPKey.generate_key("Ed25519")
    kid = key.thumbprint()
    private = {**key.as_dict(private=True), "kid": kid, "alg": "Ed25519", "use": "sig"}
    public = {**key.as_dict(private=False), "kid": kid, "alg": "Ed25519", "use": "sig"}
    return json.dumps(private), json.dumps({"keys": [public]})


class TokenSigner:
    """Makes tokens with the private key. Only the catalog and the host that runs a local platform have one."""

    def __init__(self, private_jwk: str, *, clock: Clock) -> None:
        self._key = OKPKey.import_key(json.loads(private_jwk))
        if not self._key.is_private:
            raise ValueError("it is the public half")
        self._clock = clock

    @classmethod
    def from_file(cls, path: Path, *, clock: Clock | None = None) -> "TokenSigner":
        """Read a private JWK. Raises OSError or ValueError naming the file."""
        try:
            return cls(path.read_text(encoding="utf-8"), clock=clock or SystemClock())
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} does not hold a private Ed25519 key as JSON (JWK): {error}") from error

    def sign(self, subject: Subject, ttl_s: float, audience: str = AUDIENCE) -> str:
        """Return a token that states the subject for `ttl_s` seconds from now."""
        now = round(self._clock.now(), 3)  # not whole seconds: who logs in right after a sign-out is in again
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject.id,
            "kind": str(subject.kind),
            "tenant": subject.tenant_id,
            "roles": sorted(subject.roles),
            "iat": now,
            "exp": math.ceil(now + ttl_s),
            **_rarely(subject),
        }
        header = {"alg": _ALGORITHMS[0], "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=_ALGORITHMS)


class TokenVerifier:
    """Turns a token into its Subject, or refuses it.

    `trust`, `void` and `close` are told by whoever follows the catalog: see `following.py`.
    """

    def __init__(self, public_jwks: str, *, clock: Clock, audience: str = AUDIENCE) -> None:
        self._fixed = _public_keys(public_jwks)
        self._published: dict[str, OKPKey] = {}
        self._generation = 0
        self._sign_outs = SignOuts()
        self._clock = clock
        self._audience = audience

    def trust(self, public_jwks: str, *, generation: int) -> None:
        """Take these keys, beside those of the file, in the place of the ones trusted before; older ones are ignored.

        Raises ValueError when they are none.
        """
        if generation >= self._generation:
            self._published = _public_keys(public_jwks)
            self._generation = generation

    def void(self, told: Mapping[str, SignOut]) -> None:
        """Refuse from now on the tokens of those who were signed out. By user id."""
        self._sign_outs.take(told)

    def close(self, told: Mapping[str, TenantRecord]) -> None:
        """Refuse from now on the tokens for tenants that are suspended or deleted. By tenant id."""
        self._sign_outs.take_tenants(told)

    @classmethod
    def from_file(cls, path: Path, *, clock: Clock | None = None, audience: str = AUDIENCE) -> "TokenVerifier":
        """Read a JWK set. Raises OSError or ValueError naming the file."""
        try:
            return cls(path.read_text(encoding="utf-8"), clock=clock or SystemClock(), audience=audience)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} does not hold public keys as JSON (a JWK set): {error}") from error

    @classmethod
    def from_setting(cls, path: Path | None, *, service: str, clock: Clock) -> "TokenVerifier":
        """Read the file that a service's setting names. Raises OSError, or ValueError, also when it is not set."""
        if path is None:
            raise ValueError(f"ROUNDHOUSE_{service.upper()}_TOKEN_PUBLIC_KEY_FILE is not set, and it has no default")
        return cls.from_file(path, clock=clock)

    def verify(self, token: str) -> Subject:
        """Return who the token stands for. Raises Unauthenticated, without saying which key or claim it wanted, and
        Forbidden where its tenant is closed."""
        if len(token) > _MAX_TOKEN_CHARS:
            raise Unauthenticated("The access token is too long to be one of ours.")
        try:
            claims = jwt.decode(token, self._key_of, algorithms=_ALGORITHMS).claims
            self._check(claims)
            subject = _subject(claims)
        except ExpiredTokenError:
            raise Unauthenticated("The access token has expired; get a new one.") from None
        except (JoseError, ValueError, TypeError, KeyError):
            raise Unauthenticated("The access token is not valid here.") from None
        if self._sign_outs.is_void(subject):
            raise Unauthenticated("The session of this access token has ended; log in again.")
        if why := self._sign_outs.why_closed(subject):
            raise Forbidden(f"{subject.actor} may do nothing here: {why}.")
        return subject

    def _key_of(self, token: GuestProtocol) -> OKPKey:
        """Return the key that the token names. Raises InvalidKeyIdError."""
        kid = token.headers().get("kid")
        key = self._fixed.get(kid) or self._published.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise InvalidKeyIdError
        return key

    def _check(self, claims: dict[str, Any]) -> None:
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=_CLOCK_SKEW_S,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        registry.validate(claims)


def _public_keys(jwks: str) -> dict[str, OKPKey]:
    """Return the Ed25519 keys of a set by their `kid`; one without gets its thumbprint."""
    found = KeySet.import_key_set(json.loads(jwks)).keys
    return {str(key.kid or key.thumbprint()): key for key in found if isinstance(key, OKPKey)}


def _rarely(subject: Subject) -> dict[str, Any]:
    """Return the claims that most tokens do without."""
    claims: dict[str, Any] = {
        "platform_roles": sorted(subject.platform_roles),
        "projects": {project_id: sorted(roles) for project_id, roles in sorted(subject.project_roles.items())},
        "grants": sorted(subject.grants),
        "sid": subject.session_id,
    }
    return {name: value for name, value in claims.items() if value}


def _subject(claims: Mapping[str, Any]) -> Subject:
    """Build the Subject; roles and actions that this version does not know are left out, so they grant nothing."""
    projects: dict[str, list[str]] = claims.get("projects", {})
    return Subject(
        id=str(claims["sub"]),
        kind=SubjectKind(claims["kind"]),
        tenant_id=str(claims["tenant"]),
        roles=_roles(claims["roles"]),
        platform_roles=_roles(claims.get("platform_roles", ())),
        project_roles=MappingProxyType({str(name): _roles(roles) for name, roles in projects.items()}),
        grants=frozenset(action for action in ACTIONS if action in claims.get("grants", ())),
        session_id=str(claims.get("sid", "")),
        issued_at=float(claims.get("iat", 0)),
    )


def _roles(names: Iterable[str]) -> frozenset[Role]:
    return frozenset(Role(name) for name in names if name in _KNOWN)
