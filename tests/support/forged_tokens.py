"""Tokens that no service may take: one table, against a pair of keys that the service trusts."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from roundhouse_common.auth.tokens import AUDIENCE, ISSUER, generate_keypair

__all__ = ["Forger"]

_HOUR_S: Final = 3600
_TWO_ALGORITHMS: Final = b'{"alg":"none","alg":"Ed25519"}'
Document = Mapping[str, Any]  # Any: JSON


class Forger:
    """Has the platform's keys, so that it can also sign what the platform never would."""

    def __init__(self, private_jwk: str, public_jwks: str, *, now: float) -> None:
        self._key = OKPKey.import_key(json.loads(private_jwk))
        self._public: dict[str, Any] = json.loads(public_jwks)["keys"][0]
        self._now = int(now)
        self._header = {"alg": "Ed25519", "kid": self._public["kid"]}

    def good(self) -> str:
        """Return a token that every service takes: without it, that all others are refused would mean nothing."""
        return self._signed()

    def table(self) -> dict[str, str]:
        """Return the forged ones by what is wrong with them."""
        return {**self._wrong_claims(), **self._wrong_keys(), **self._wrong_headers(), **self._tampered()}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return what a good token says, with changes; None leaves a claim out."""
        good = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "usr_admin", "kind": "user", "tenant": "ten_default",
            "roles": ["administrator"], "platform_roles": ["administrator"], "iat": self._now,
            "exp": self._now + _HOUR_S,
        }  # fmt: skip
        return {name: value for name, value in {**good, **changed}.items() if value is not None}

    def _wrong_claims(self) -> dict[str, str]:
        return {
            "expired": self._signed(exp=self._now - 60, iat=self._now - 120),
            "never expires": self._signed(exp=None),
            "expires at no time": self._signed(exp=float("nan")),
            "expires at the end of time": self._signed(exp=float("inf")),
            "expiry in words": self._signed(exp="tomorrow"),
            "expiry is true": self._signed(exp=True),
            "not valid yet": self._signed(nbf=self._now + _HOUR_S),
            "made in the future": self._signed(iat=self._now + _HOUR_S),
            "another audience": self._signed(aud="upload"),
            "other audiences": self._signed(aud=["upload", "x"]),
            "no audience": self._signed(aud=None),
            "an audience that begins like ours": self._signed(aud=f"{AUDIENCE}.example.org"),
            "another issuer": self._signed(iss="https://issuer.example.org"),
            "no issuer": self._signed(iss=None),
            "nobody": self._signed(sub=None),
            "no tenant": self._signed(tenant=None),
            "an unknown kind": self._signed(kind="root"),
        }

    def _wrong_keys(self) -> dict[str, str]:
        stranger = OKPKey.import_key(json.loads(generate_keypair()[0]))
        rsa, curve = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
        text = json.dumps(self._public)
        macs = {
            "the public key's text": text.encode(),
            "the public key's bytes": base64.urlsafe_b64decode(self._public["x"] + "="),
            "the public key's PEM": OKPKey.import_key(self._public).as_pem(private=False),
            "nothing": b"",
        }
        return {
            "another key under our id": self._signed(key=stranger),
            "another key under its own id": self._signed(key=stranger, header={"kid": stranger.thumbprint()}),
            "another key that it brings along": self._signed(
                key=stranger, header={"jwk": stranger.as_dict(private=False)}
            ),
            "RS256 under our id": self._signed(key=rsa, header={"alg": "RS256"}),
            "PS256 under our id": self._signed(key=rsa, header={"alg": "PS256"}),
            "ES256 under our id": self._signed(key=curve, header={"alg": "ES256"}),
            **{f"HS256 with {name}": self._mac(secret) for name, secret in macs.items()},
            "HS512 with the public key's text": self._mac(text.encode(), "HS512"),
        }

    def _wrong_headers(self) -> dict[str, str]:
        claims = _part(self.claims())
        kids = ("unknown", "", "../../../dev/null", "x' UNION SELECT 'a", "\0", "*", 7, None, ["a"], {"kid": "a"}, True)
        unsigned = {
            name: f"{_part({**self._header, 'alg': name})}.{claims}." for name in ("none", "None", "NONE", "nOnE", "")
        }
        addresses = {
            name: self._signed(header={name: "https://issuer.example.org/keys"}, key=self._stranger)
            for name in ("jku", "x5u")
        }
        return {
            **{f"algorithm {name!r} without a signature": token for name, token in unsigned.items()},
            "algorithm none with our signature": self._parts({**self._header, "alg": "none"}, self.claims()),
            "no algorithm": self._parts({"kid": self._header["kid"]}, self.claims()),
            **{f"key id {kid!r}": self._parts({**self._header, "kid": kid}, self.claims()) for kid in kids},
            "no key id": self._parts({"alg": "Ed25519"}, self.claims()),
            **{f"keys at an address in {name}": token for name, token in addresses.items()},
            "a critical member that is not known": self._parts({**self._header, "crit": ["x"], "x": 1}, self.claims()),
            "a critical member that is not there": self._parts({**self._header, "crit": ["exp"]}, self.claims()),
            "critical members in no list": self._parts({**self._header, "crit": "x"}, self.claims()),
            "a payload that is not encoded": self._parts(
                {**self._header, "b64": False, "crit": ["b64"]}, self.claims()
            ),
        }

    def _tampered(self) -> dict[str, str]:
        header, _, signature = self._signed(roles=["viewer"], platform_roles=None).split(".")
        twice = json.dumps(self.claims())[:-1] + ', "roles": ["viewer"], "roles": ["administrator"]}'
        return {
            "roles were raised": f"{header}.{_part(self.claims())}.{signature}",
            "the tenant was changed": f"{header}.{_part(self.claims(tenant='ten_zebra'))}.{signature}",
            "members twice": f"{header}.{_part(twice.encode())}.{signature}",
            "the algorithm twice": f"{_part(_TWO_ALGORITHMS)}.{_part(self.claims())}.{signature}",
            "no signature": f"{header}.{_part(self.claims())}.",
            "two parts": f"{header}.{_part(self.claims())}",
            "four parts": f"{self._signed()}.{signature}",
            "five parts, as if encrypted": f"{self._signed()}.x.y",
            "a signature of zeros": f"{header}.{_part(self.claims())}.{_part(bytes(64))}",
            "JSON in the place of three parts": json.dumps({"payload": _part(self.claims()), "signatures": []}),
            "a payload that is a list": self._parts(self._header, [self.claims()]),
            "a payload that is no JSON": self._parts(self._header, b"sub=usr_admin"),
            "nested": _part(b'{"a":' * 5_000 + b"1" + b"}" * 5_000).join((f"{header}.", f".{signature}")),
        }

    @property
    def _stranger(self) -> OKPKey:
        return OKPKey.generate_key("Ed25519")

    def _signed(self, *, key: Key | None = None, header: Document | None = None, **changed: Any) -> str:
        head = {**self._header, **(header or {})}
        return jwt.encode(head, self.claims(**changed), key or self._key, algorithms=[head["alg"]])

    def _parts(self, header: Document, payload: object) -> str:
        """Sign with our key what the library would refuse to sign."""
        signed = f"{_part(header)}.{_part(payload)}"
        signature = self._key.private_key.sign(signed.encode())  # type: ignore[union-attr]  # Ed25519
        return f"{signed}.{_part(signature)}"

    def _mac(self, secret: bytes, algorithm: str = "HS256") -> str:
        signed = f"{_part({**self._header, 'alg': algorithm})}.{_part(self.claims())}"
        kind = hashlib.sha256 if algorithm == "HS256" else hashlib.sha512
        return f"{signed}.{_part(hmac.new(secret, signed.encode(), kind).digest())}"


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
