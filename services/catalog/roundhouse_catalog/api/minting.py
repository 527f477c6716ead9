"""Makes access tokens with the key whose time it is, and new keys."""

import json
from collections.abc import Sequence

from roundhouse_catalog.domain.login_errors import NoSigningKey
from roundhouse_catalog.domain.signing_keys import SigningKey, current_key
from roundhouse_common.auth import Subject
from roundhouse_common.auth.tokens import TokenSigner, generate_keypair
from roundhouse_common.runtime import Clock, UnixTime
from roundhouse_common.secret_box import SecretFile

__all__ = ["Minter"]


class Minter:
    """Signs with what it was last told are the keys. Private halves are open in memory only."""

    def __init__(self, secrets: SecretFile, clock: Clock, *, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._secrets = secrets
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._signers: dict[str, TokenSigner] = {}

    def load(self, keys: Sequence[SigningKey]) -> None:
        """Take the keys that there are; those of withdrawn ones are forgotten."""
        self._keys = keys
        alive = {key.kid for key in keys if key.withdrawn_at is None}
        self._signers = {kid: signer for kid, signer in self._signers.items() if kid in alive}

    def sign(self, subject: Subject) -> tuple[str, UnixTime]:
        """Return a token and when it expires. Raises NoSigningKey, and SecretBoxFault when it cannot be opened."""
        key = current_key(self._keys, self._clock.now())
        if key is None:
            raise NoSigningKey
        signer = self._signers.get(key.kid)
        if signer is None:
            signer = TokenSigner(self._secrets.box().open(key.sealed_private), clock=self._clock)
            self._signers[key.kid] = signer
        expires_at = UnixTime(self._clock.now() + self.ttl_s)
        return signer.sign(subject, self.ttl_s), expires_at

    def make_key(self, *, signs_from: UnixTime, actor: str) -> SigningKey:
        """Return a new key. Raises SecretBoxFault when there is nothing to seal it with."""
        private, public = generate_keypair()
        [public_jwk] = json.loads(public)["keys"]
        return SigningKey(
            kid=public_jwk["kid"],
            public_jwk=json.dumps(public_jwk, sort_keys=True),
            sealed_private=self._secrets.box().seal(private),
            created_at=self._clock.now(),
            created_by=actor,
            signs_from=signs_from,
        )
