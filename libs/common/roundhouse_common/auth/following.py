"""What a service follows to know whose access tokens count: the public keys, who was signed out, closed tenants.

With NATS away the last known state counts. Tokens are short: nobody who was signed out meanwhile comes in for longer
than their token would have lived.
"""

from collections.abc import Awaitable, Callable, Mapping

from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.bus.api import Bus
from roundhouse_common.bus.projection import Projection
from roundhouse_common.contracts.identity import SigningKeys
from roundhouse_common.contracts.registry import SIGN_OUTS, SIGNING_KEYS, TENANTS

__all__ = ["token_loops"]


def token_loops(bus: Bus, verifier: TokenVerifier) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the loops, by name, that keep the verifier up to date until they are cancelled."""

    def trust(told: Mapping[str, SigningKeys]) -> None:
        for keys in told.values():
            verifier.trust(keys.jwks, generation=keys.generation)

    return {
        "signing keys": Projection(bus, SIGNING_KEYS, on_change=trust).run,
        "sign-outs": Projection(bus, SIGN_OUTS, on_change=verifier.void).run,
        "closed tenants": Projection(bus, TENANTS, on_change=verifier.close).run,
    }
