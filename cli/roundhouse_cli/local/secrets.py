"""The secrets of a local Roundhouse: made at the first start, kept since. There is no default password."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nkeys

from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, generate_keypair
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import Clock

__all__ = ["ADMIN_TOKEN_TTL_S", "Secrets", "new_nkey"]

ADMIN_TOKEN_TTL_S = 365 * 86_400.0
"""The token lies beside the key that signs it, so a short life would protect nothing; every `up` makes a new one."""


def new_nkey() -> tuple[str, str]:
    """Return the seed (secret) and the public key of a new NATS user."""
    seed: bytes = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)
    return seed.decode(), public_nkey(seed.decode())


def public_nkey(seed: str) -> str:
    """Return the public key that belongs to a seed."""
    public: bytes = nkeys.from_seed(seed.encode()).public_key
    return public.decode()


@dataclass(frozen=True, slots=True)
class Secrets:
    """The files in DIR/secrets: all mode 600."""

    path: Path

    @property
    def token_private(self) -> Path:
        return self.path / "token-private.json"

    @property
    def token_public(self) -> Path:
        return self.path / "token-public.json"

    def nats_seed(self, service: Service) -> Path:
        return self.path / f"nats-{service}.seed"

    def ensure(self, services: Iterable[Service]) -> None:
        """Make what is missing; safe to repeat, never replaces a whole pair."""
        private_dir(self.path)
        if not (self.token_private.exists() and self.token_public.exists()):
            private, public = generate_keypair()
            write_private(self.token_private, private)
            write_private(self.token_public, public)
        for service in services:
            if not self.nats_seed(service).exists():
                write_private(self.nats_seed(service), new_nkey()[0] + "\n")

    def public_nkeys(self, services: Iterable[Service]) -> dict[Service, str]:
        """Return the public NATS key of each service."""
        return {service: public_nkey(self.nats_seed(service).read_text().strip()) for service in services}

    def admin_token(self, clock: Clock) -> str:
        """Return a new token of the administrator."""
        subject = Subject(id="usr_admin", tenant_id="ten_default", roles=frozenset({Role.ADMINISTRATOR}))
        return TokenSigner.from_file(self.token_private, clock=clock).sign(subject, ADMIN_TOKEN_TTL_S)

    def cookie(self) -> str:
        """Return the random word that marks processes of this data directory."""
        path = private_dir(self.path) / "cookie"
        if not path.exists():
            write_private(path, secrets.token_hex(16))
        return path.read_text().strip()
