"""Salts that keep the prefix caches of engines apart, where tenants share an engine.

vLLM and SGLang answer sooner, and say `cached_tokens`, when a prompt begins as one did before, whoever sent that one: a
tenant could find out what another one asks. A request with a `cache_salt` finds only what came with the same one.
"""

import hmac
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.features import Feature

__all__ = ["SALTED", "UNSALTED_APIS", "CacheSalts", "scoped"]

SALTED: Final = frozenset({EngineKind.VLLM, EngineKind.SGLANG})
"""Engines that know `cache_salt`. Older ones of the two take no notice of it, others may refuse it."""
UNSALTED_APIS: Final = frozenset({(EngineKind.SGLANG, Feature.MESSAGES)})
"""APIs that such an engine speaks without it: where it matters they are translated into OpenAI's chat, which has it."""
_BYTES: Final = 16
_TENANTS_MOST: Final = 10_000


class CacheSalts:
    """The salts of all tenants, equal on all routers with the same secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._salts: dict[str, bytes] = {}

    def of(self, tenant_id: str) -> bytes:
        """Return a tenant's salt, in characters that need no escapes; nobody can tell it without the secret."""
        salt = self._salts.get(tenant_id)
        if salt is None:
            if len(self._salts) >= _TENANTS_MOST:
                self._salts.clear()
            salt = self._salts[tenant_id] = _digest(self._secret, tenant_id.encode("utf-8", "surrogatepass"))
        return salt


def scoped(salt: bytes, given: bytes) -> bytes:
    """Return what the engine gets for a salt that the caller gave, as JSON: it tells apart within the tenant, and means
    nothing outside it. Null and an empty one say nothing."""
    return salt if given in (b"null", b'""') else _digest(salt, given)


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")[:_BYTES].hex().encode()
