"""The keys of all providers in this router: opened in memory only, used in turn, rested when a provider says so.

    keys = ProviderKeys(SecretFile(settings.secrets_key_file, setting="..."), ProviderKeyMetrics(registry))
    ...
    tried: list[str] = []
    while True:
        key = keys.take(provider, model, now, tried)           # raises CredentialsExhausted or ProviderLimited
        reply = await client.send(origin, head(upstream_format.authorization(key.secret)), body, ...)
        if keys.answered(key, reply.status, reply.headers, now) is KeyVerdict.GOOD:
            break                                              # good or bad: the answer is about the request
        reply.close()
        tried.append(key.key_id)                               # at once again, with the next key

Both errors are retryable: the request may go on to the route's next target. A provider without keys is asked without
one: its `secret` is empty then, and it rests like a key when it says 429 or 401. Nothing here awaits.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from roundhouse_common.contracts.routing import ProviderKey, ProviderRecord
from roundhouse_common.secret_box import SecretBoxFault, SecretFile
from roundhouse_router.domain.key_ring import AllRest, KeyRing, KeyVerdict, RestKind, Taken
from roundhouse_router.providers.errors import CredentialsExhausted, ProviderLimited
from roundhouse_router.providers.metrics import ProviderKeyMetrics

__all__ = ["KeyInUse", "KeyVerdict", "ProviderKeys"]

_log = structlog.get_logger("roundhouse.providers")
_NO_KEY: Final = ProviderKey(key_id="", sealed="")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInUse:
    """A key for one attempt."""

    provider: str
    provider_id: str
    taken: Taken
    secret: str = field(repr=False)
    """Empty for a provider without keys."""

    @property
    def key_id(self) -> str:
        return self.taken.key_id


@dataclass(slots=True)
class _Keys:
    """One provider's."""

    provider: str
    keys: tuple[ProviderKey, ...]
    ring: KeyRing
    opened: dict[str, str] = field(default_factory=dict, repr=False)
    """Sealed text to secret."""


class ProviderKeys:
    """Gives every attempt at a provider its key, and learns from what comes back."""

    def __init__(self, secrets: SecretFile, metrics: ProviderKeyMetrics) -> None:
        self._secrets = secrets
        self._metrics = metrics
        self._by_provider: dict[str, _Keys] = {}

    def take(self, provider: ProviderRecord, model: str, now: float, tried: Collection[str] = ()) -> KeyInUse:
        """Return the next key for a request to this model of the provider, none of `tried`.

        `now` is Unix seconds. Raises CredentialsExhausted or ProviderLimited.
        """
        held = self._held(provider)
        while True:
            taken = held.ring.take(model, now, tried)
            if isinstance(taken, AllRest):
                if taken.kind is RestKind.LIMITED:
                    raise ProviderLimited(provider.name, taken.until - now)
                raise CredentialsExhausted(provider.name)
            try:
                secret = self._open(held, taken.key_id)
            except SecretBoxFault as error:
                # Each such key rests from here on, so this ends after the last one.
                _log.error("provider_key_sealed", provider=provider.name, key=taken.key_id, why=error.message)
                held.ring.rest_refused(taken.key_id, now)
                self._show(held, RestKind.REFUSED, now)
                continue
            return KeyInUse(provider=provider.name, provider_id=provider.provider_id, taken=taken, secret=secret)

    def answered(
        self, key: KeyInUse, status: int, headers: Mapping[bytes, bytes], now: float, *, code: str = ""
    ) -> KeyVerdict:
        """Learn from an answer's status and headers, and say what it means for the key.

        `code` is the error's own where it was read: a 429 that says `insufficient_quota` is no matter of waiting.
        """
        held = self._by_provider.get(key.provider_id)
        if held is None:
            return KeyVerdict.GOOD
        verdict = held.ring.answered(key.taken, status, headers, now, code=code)
        if verdict is KeyVerdict.LIMITED:
            self._show(held, RestKind.LIMITED, now)
        elif verdict is KeyVerdict.REFUSED:
            _log.warning("provider_key_refused", provider=held.provider, key=key.key_id, status=status)
            self._show(held, RestKind.REFUSED, now)
        return verdict

    def refresh(self, living: Collection[str], now: float) -> None:
        """Forget providers that are no more, with what was opened of them; show how many keys rest. Now and then."""
        for provider_id in [one for one in self._by_provider if one not in living]:
            self._metrics.forget(self._by_provider.pop(provider_id).provider)
        for held in self._by_provider.values():
            self._show_resting(held, now)

    def _held(self, provider: ProviderRecord) -> _Keys:
        """Return what is held of the provider, with the keys that it has now."""
        held = self._by_provider.get(provider.provider_id)
        keys = provider.keys or (_NO_KEY,)
        if held is None:
            held = _Keys(provider.name, keys, KeyRing([key.key_id for key in keys]))
            self._by_provider[provider.provider_id] = held
        elif held.keys is not keys and held.keys != keys:
            held.ring.adopt([key.key_id for key in keys])
            sealed = {key.sealed for key in keys}
            held.opened = {at: secret for at, secret in held.opened.items() if at in sealed}
            held.keys = keys
        return held

    def _open(self, held: _Keys, key_id: str) -> str:
        """Return the secret, opened at most once. Raises SecretBoxFault."""
        sealed = next(key.sealed for key in held.keys if key.key_id == key_id)
        if not sealed:
            return ""
        secret = held.opened.get(sealed)
        if secret is None:
            secret = held.opened[sealed] = self._secrets.box().open(sealed)
        return secret

    def _show(self, held: _Keys, kind: RestKind, now: float) -> None:
        self._metrics.answered(held.provider, kind)
        self._show_resting(held, now)

    def _show_resting(self, held: _Keys, now: float) -> None:
        for kind, count in held.ring.resting(now).items():
            self._metrics.resting(held.provider, kind, count)
