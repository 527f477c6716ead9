"""The secrets of a local Roundhouse: made at the first start, kept since. There is no default password."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from roundhouse_cli.local.files import private_dir, write_private
from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, generate_keypair
from roundhouse_common.contracts.base import Service
from roundhouse_common.nats_auth.authority import Root
from roundhouse_common.nats_auth.keys import KeyKind, new_seed
from roundhouse_common.runtime import Clock
from roundhouse_common.secret_box import new_secrets_key

__all__ = ["Secrets"]

_PASSWORD_BYTES = 15


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

    @property
    def nats_root(self) -> Path:
        """Every key that NATS' operator, accounts and users are signed with."""
        return self.path / "nats-root.json"

    @property
    def nats_authority(self) -> Path:
        """The scheduler's part of it: it makes nodes' credentials and takes them back."""
        return self.path / "nats-authority.json"

    @property
    def provider_keys(self) -> Path:
        """What secrets of outside providers are sealed with; the first line seals, all open."""
        return self.path / "provider-secrets.keys"

    @property
    def first_password(self) -> Path:
        """The administrator's first password, to be changed at the first login. Of no use after that."""
        return self.path / "admin-password"

    def nats_seed(self, service: Service) -> Path:
        """The secret key of a service. Kept apart from what is signed for it, which may be signed anew."""
        return self.path / f"nats-{service}.seed"

    def nats_credentials(self, service: Service) -> Path:
        """The key with what was signed for it: what the service connects with."""
        return self.path / f"nats-{service}.creds"

    def ensure(self, services: Iterable[Service]) -> None:
        """Make what is missing; safe to repeat, never replaces a whole pair."""
        private_dir(self.path)
        if not (self.token_private.exists() and self.token_public.exists()):
            private, public = generate_keypair()
            write_private(self.token_private, private)
            write_private(self.token_public, public)
        if not self.provider_keys.exists():
            write_private(self.provider_keys, new_secrets_key(secrets.token_bytes) + "\n")
        if not self.first_password.exists():
            write_private(self.first_password, secrets.token_urlsafe(_PASSWORD_BYTES) + "\n")
        for service in services:
            if not self.nats_seed(service).exists():
                write_private(self.nats_seed(service), new_seed(KeyKind.USER, secrets.token_bytes) + "\n")
        if not self.nats_root.exists():
            write_private(self.nats_root, Root.new(secrets.token_bytes).dumps())

    def root(self) -> Root:
        """Return the keys of NATS. Raises ValueError when the file is damaged."""
        return Root.loads(self.nats_root.read_text(encoding="utf-8"))

    def admin_token(self, clock: Clock, ttl_s: float) -> str:
        """Return a new token of the administrator: the key lies here, so whoever reads it is one."""
        subject = Subject(
            id="usr_admin",
            tenant_id="ten_default",
            roles=frozenset({Role.ADMINISTRATOR}),
            platform_roles=frozenset({Role.ADMINISTRATOR}),
        )
        return TokenSigner.from_file(self.token_private, clock=clock).sign(subject, ttl_s)

    def cookie(self) -> str:
        """Return the random word that marks processes of this data directory."""
        path = private_dir(self.path) / "cookie"
        if not path.exists():
            write_private(path, secrets.token_hex(16))
        return path.read_text().strip()
