"""Who signs: the root, which only `roundhouse up` (or an administrator) holds, and the scheduler's part of it."""

from collections.abc import Callable, Mapping

import msgspec

from roundhouse_common.contracts.base import Service, Stream
from roundhouse_common.nats_auth import claims
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import Claims, encode
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key

__all__ = ["NodeAuthority", "Root"]


class NodeAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """What the scheduler holds: it makes nodes' credentials and takes them back.

    To take back it signs the account anew, which needs a signing key of the operator: NATS has no lesser one.
    """

    account: str
    """Public key of the account of all services and nodes."""
    node_seed: str
    operator_signing_seed: str
    publisher_seed: str
    publisher_jwt: str

    @classmethod
    def loads(cls, text: str) -> "NodeAuthority":
        """Read what `dumps` wrote. Raises ValueError."""
        try:
            return msgspec.json.decode(text.encode(), type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(f"this is no authority for nodes: {error}") from error

    def dumps(self) -> str:
        return msgspec.json.format(msgspec.json.encode(self)).decode() + "\n"

    def node_jwt(self, node_id: str, user: str, *, at: float) -> str:
        """Return the signed user of a node whose agent has the key `user`. Raises ValueError for a bad node id."""
        said = claims.node_claims(node_id=node_id, user=user, account=self.account)
        return encode(said, seed=self.node_seed, issued_at=int(at))

    def account_jwt(self, revoked: Mapping[str, int], *, at: float) -> str:
        """Return the signed account that refuses the `revoked` users."""
        return encode(self.account_claims(revoked), seed=self.operator_signing_seed, issued_at=int(at))

    def account_claims(self, revoked: Mapping[str, int]) -> Claims:
        """Return what `account_jwt` signs."""
        return claims.account_claims(account=self.account, node_key=public_key(self.node_seed), revoked=revoked)

    @property
    def publisher(self) -> Credentials:
        """The user that hands the account to the servers."""
        return Credentials(seed=self.publisher_seed, jwt=self.publisher_jwt)


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """Every seed: made at the first start, kept since."""

    operator_seed: str
    operator_signing_seed: str
    system_seed: str
    account_seed: str
    node_seed: str
    publisher_seed: str

    @classmethod
    def new(cls, entropy: Callable[[int], bytes]) -> "Root":
        return cls(
            operator_seed=new_seed(KeyKind.OPERATOR, entropy),
            operator_signing_seed=new_seed(KeyKind.OPERATOR, entropy),
            system_seed=new_seed(KeyKind.ACCOUNT, entropy),
            account_seed=new_seed(KeyKind.ACCOUNT, entropy),
            node_seed=new_seed(KeyKind.ACCOUNT, entropy),
            publisher_seed=new_seed(KeyKind.USER, entropy),
        )

    @classmethod
    def loads(cls, text: str) -> "Root":
        """Read what `dumps` wrote. Raises ValueError."""
        try:
            return msgspec.json.decode(text.encode(), type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(f"these are no root keys: {error}") from error

    def dumps(self) -> str:
        return msgspec.json.format(msgspec.json.encode(self)).decode() + "\n"

    @property
    def account(self) -> str:
        """Public key of the account of all services and nodes."""
        return public_key(self.account_seed)

    @property
    def system_account(self) -> str:
        return public_key(self.system_seed)

    def operator_jwt(self, *, at: float) -> str:
        """Return the operator that servers are configured with."""
        said = claims.operator_claims(
            operator=public_key(self.operator_seed),
            signing_key=public_key(self.operator_signing_seed),
            system_account=self.system_account,
        )
        return encode(said, seed=self.operator_seed, issued_at=int(at))

    def system_account_jwt(self, *, at: float) -> str:
        said = claims.system_account_claims(account=self.system_account)
        return encode(said, seed=self.operator_signing_seed, issued_at=int(at))

    def service_jwt(self, service: Service, user: str, *, at: float) -> str:
        """Return the signed user of a service that has the key `user`."""
        return encode(claims.service_claims(service, user=user), seed=self.account_seed, issued_at=int(at))

    def reader_jwt(self, stream: Stream, name: str, user: str, *, at: float) -> str:
        """Return the signed user of a program outside that reads a stream. Raises ValueError for a bad name."""
        said = claims.reader_claims(stream, name, user=user)
        return encode(said, seed=self.account_seed, issued_at=int(at))

    def node_authority(self, *, at: float) -> NodeAuthority:
        """Return the scheduler's part."""
        said = claims.publisher_claims(user=public_key(self.publisher_seed), account=self.account)
        return NodeAuthority(
            account=self.account,
            node_seed=self.node_seed,
            operator_signing_seed=self.operator_signing_seed,
            publisher_seed=self.publisher_seed,
            publisher_jwt=encode(said, seed=self.system_seed, issued_at=int(at)),
        )
