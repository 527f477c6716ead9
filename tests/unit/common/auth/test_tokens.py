"""Access tokens: whoever did not get one from us is nobody."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from roundhouse_common.auth import Role, Subject, SubjectKind
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.errors import Unauthenticated
from roundhouse_common.runtime import UnixTime

PRIVATE, PUBLIC = generate_keypair()
KID = json.loads(PUBLIC)["keys"][0]["kid"]
ADMIN = Subject(id="usr_admin", tenant_id="ten_default", roles=frozenset({Role.ADMINISTRATOR}))


class FixedClock:
    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.seconds = now

    def now(self) -> UnixTime:
        return UnixTime(self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves a claim out."""
    now = int(FixedClock().now())
    good = {
        "iss": "roundhouse",
        "aud": "roundhouse",
        "sub": "usr_admin",
        "kind": "user",
        "tenant": "ten_default",
        "roles": ["administrator"],
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(private: str = PRIVATE, header: dict[str, Any] | None = None, **changes: Any) -> str:
    key = OKPKey.import_key(json.loads(private))
    return jwt.encode({"alg": "Ed25519", "kid": KID, **(header or {})}, claims(**changes), key, algorithms=["Ed25519"])


def base64url(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mac_with_public_key() -> str:
    """The classic confusion: a MAC whose key is the public key, which everyone has."""
    signing_input = f"{base64url({'alg': 'HS256', 'kid': KID})}.{base64url(claims())}"
    secret = json.loads(PUBLIC)["keys"][0]["x"].encode()
    return f"{signing_input}.{base64url(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"


def without_key_id() -> str:
    key = OKPKey.import_key({name: value for name, value in json.loads(PRIVATE).items() if name != "kid"})
    return jwt.encode({"alg": "Ed25519"}, claims(), key, algorithms=["Ed25519"])


def verify(token: str, *, now: float | None = None) -> Subject:
    return TokenVerifier(PUBLIC, clock=FixedClock(now) if now else FixedClock()).verify(token)


@pytest.mark.parametrize(
    "subject",
    [
        ADMIN,
        Subject(id="svc_console", kind=SubjectKind.SERVICE, tenant_id="ten_default", roles=frozenset({Role.VIEWER})),
        Subject(id="usr_2", tenant_id="ten_2", roles=frozenset()),
    ],
)
def test_subject_survives_the_token(subject: Subject) -> None:
    assert verify(TokenSigner(PRIVATE, clock=FixedClock()).sign(subject, 60)) == subject


def test_token_is_good_until_it_expires_and_clocks_may_differ_by_seconds() -> None:
    token = TokenSigner(PRIVATE, clock=FixedClock(1000.0)).sign(ADMIN, 60)
    assert verify(token, now=1064.0) == ADMIN
    with pytest.raises(Unauthenticated, match="has expired"):
        verify(token, now=1066.0)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed(aud="somebody-else"), id="other audience"),
        pytest.param(signed(aud=None), id="no audience"),
        pytest.param(signed(iss="somebody-else"), id="other issuer"),
        pytest.param(signed(iss=None), id="no issuer"),
        pytest.param(signed(exp=None), id="never expires"),
        pytest.param(signed(exp="tomorrow"), id="expiry is no number"),
        pytest.param(signed(sub=None), id="nobody"),
        pytest.param(signed(tenant=None), id="no tenant"),
        pytest.param(signed(kind="robot"), id="unknown kind"),
        pytest.param(signed(roles=None), id="no roles"),
        pytest.param(signed(roles=7), id="roles is no list"),
        pytest.param(signed(nbf=4_000_000_000), id="not valid yet"),
        pytest.param(signed(generate_keypair()[0]), id="other key"),
        pytest.param(signed(header={"kid": "unknown"}), id="unknown key id"),
        pytest.param(without_key_id(), id="no key id"),
        pytest.param(f"{base64url({'alg': 'none', 'kid': KID})}.{base64url(claims())}.", id="algorithm none"),
        pytest.param(mac_with_public_key(), id="MAC with the public key"),
        pytest.param(signed()[:-4] + "AAAA", id="changed signature"),
        pytest.param(signed() + ".x", id="too many parts"),
        pytest.param("x" * 100_000, id="huge"),
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="garbage"),
        pytest.param("é.ü.ß", id="not ASCII"),
        pytest.param(f"{base64url([1])}.{base64url([2])}.{base64url(b'3')}", id="lists instead of objects"),
        pytest.param(f"{base64url({'alg': 'Ed25519'})}.{base64url(b'not json')}.{base64url(b'3')}", id="not JSON"),
    ],
)
def test_anything_else_is_unauthenticated(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(token)


def test_role_that_this_version_does_not_know_grants_nothing() -> None:
    assert verify(signed(roles=["administrator", "astronaut"])).roles == {Role.ADMINISTRATOR}


def test_any_key_of_the_set_verifies_so_that_keys_can_be_replaced() -> None:
    new_private, new_public = generate_keypair()
    both = json.dumps({"keys": [*json.loads(PUBLIC)["keys"], *json.loads(new_public)["keys"]]})
    verifier = TokenVerifier(both, clock=FixedClock())
    for private in (PRIVATE, new_private):
        assert verifier.verify(TokenSigner(private, clock=FixedClock()).sign(ADMIN, 60)) == ADMIN


def test_public_set_does_not_hold_the_private_half() -> None:
    assert all("d" not in key for key in json.loads(PUBLIC)["keys"])


def test_files_work_and_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "private.json").write_text(PRIVATE)
    (tmp_path / "public.json").write_text(PUBLIC)
    token = TokenSigner.from_file(tmp_path / "private.json", clock=FixedClock()).sign(ADMIN, 60)
    assert TokenVerifier.from_file(tmp_path / "public.json", clock=FixedClock()).verify(token) == ADMIN
    for content in ("", "{}", "[]", '{"keys": 1}', '"text"', '{"kty": "oct", "k": "c2VjcmV0"}', PUBLIC[:-5]):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(ValueError, match=r"bad\.json does not hold"):
            TokenSigner.from_file(tmp_path / "bad.json")
        with pytest.raises(ValueError, match=r"bad\.json does not hold"):
            TokenVerifier.from_file(tmp_path / "bad.json")
    (tmp_path / "half.json").write_text(json.dumps(json.loads(PUBLIC)["keys"][0]))
    with pytest.raises(ValueError, match="it is the public half"):
        TokenSigner.from_file(tmp_path / "half.json")
    with pytest.raises(OSError, match=r"no-such\.json"):
        TokenVerifier.from_file(tmp_path / "no-such.json")
