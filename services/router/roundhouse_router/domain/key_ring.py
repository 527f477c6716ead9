"""A provider's keys, used in turn: which one is next, and which ones rest and for how long. Pure; time is an argument.

A 429 is about one key and one model: it rests for that model, as long as the provider says, else growing. 403 too: a
key may lack the permission for one model only, and nobody may put it to rest for all by asking for that one. 401 and
402 (and a 429 that says that the credit is used up) are about the key: it rests for every model.
"""

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from roundhouse_router.domain.retry_after import wanted_pause_s

__all__ = ["AllRest", "KeyRing", "KeyVerdict", "RestKind", "Taken"]

_LIMITED_FIRST_S: Final = 1.0
_LIMITED_LONGEST_S: Final = 60.0
_REFUSED_FIRST_S: Final = 30.0
_REFUSED_LONGEST_S: Final = 3600.0
_PROBE_S: Final = 5.0
"""How long others keep off a key that was refused while one request finds out whether it is good again."""
_MOST_RESTS: Final = 1000
"""Clients can name models without end where a route's name is a pattern."""
_QUOTA_CODES: Final = frozenset(("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"))
_ANY_MODEL: Final = ""


class KeyVerdict(enum.Enum):
    """What an answer says about the key that it was asked with."""

    GOOD = "good"
    LIMITED = "limited"
    REFUSED = "refused"


class RestKind(enum.StrEnum):
    LIMITED = "limited"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Taken:
    """A key that a request goes out with."""

    key_id: str
    model: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AllRest:
    """No key may be used now."""

    kind: RestKind
    """Limited when at least one key only has to wait."""
    until: float
    """When the first of them may be used again."""


@dataclass(slots=True, kw_only=True)
class _Rest:
    kind: RestKind
    since: float
    until: float
    times: int = 1
    """How often in a row."""


class KeyRing:
    """The keys of one provider in one router."""

    def __init__(self, key_ids: Sequence[str]) -> None:
        self._key_ids = tuple(key_ids)
        self._next = 0
        self._rests: dict[tuple[str, str], _Rest] = {}

    def adopt(self, key_ids: Sequence[str]) -> None:
        """Use these keys from now on. Those that stay rest on; new ones are used at once."""
        self._key_ids = tuple(key_ids)
        self._rests = {at: rest for at, rest in self._rests.items() if at[0] in self._key_ids}
        self._next = 0

    def take(self, model: str, now: float, tried: Collection[str] = ()) -> Taken | AllRest:
        """Return the next key that does not rest and that this request did not try, or when there will be one."""
        count = len(self._key_ids)
        for step in range(count):
            place = (self._next + step) % count
            key_id = self._key_ids[place]
            if key_id not in tried and self._is_usable(key_id, model, now):
                self._next = place + 1
                return Taken(key_id, model, now)
        return self._all_rest(model, now)

    def answered(
        self, taken: Taken, status: int, headers: Mapping[bytes, bytes], now: float, *, code: str = ""
    ) -> KeyVerdict:
        """Note what came back. `code` is the error's own, where the answer has one. Unless the key is good the request
        may go out again at once with the next one.
        """
        if status == 429 and code not in _QUOTA_CODES:
            self._rest(taken, RestKind.LIMITED, now, wanted_pause_s(headers, now))
            return KeyVerdict.LIMITED
        if status in (401, 402, 403, 429):
            self._rest(taken, RestKind.REFUSED, now, None, is_for_all=status != 403)
            return KeyVerdict.REFUSED
        self._is_good(taken)
        return KeyVerdict.GOOD

    def rest_refused(self, key_id: str, now: float) -> None:
        """Rest a key that could not even be opened; never longer than the first time: it is no fault of the key."""
        rest = _Rest(kind=RestKind.REFUSED, since=now, until=now + _REFUSED_FIRST_S)
        self._rests[key_id, _ANY_MODEL] = rest

    def resting(self, now: float) -> Mapping[RestKind, int]:
        """Return how many keys rest, for at least one model."""
        kinds: dict[str, RestKind] = {}
        for (key_id, _), rest in self._rests.items():
            if rest.until > now and kinds.get(key_id) is not RestKind.REFUSED:
                kinds[key_id] = rest.kind
        return {kind: sum(found is kind for found in kinds.values()) for kind in RestKind}

    def _is_usable(self, key_id: str, model: str, now: float) -> bool:
        if not self._rests:
            return True
        rests = [self._rests.get((key_id, about)) for about in (_ANY_MODEL, model)]
        if any(rest is not None and rest.until > now for rest in rests):
            return False
        for rest in rests:
            if rest is not None and rest.kind is RestKind.REFUSED:
                rest.until = now + _PROBE_S
        return True

    def _all_rest(self, model: str, now: float) -> AllRest:
        """A key that was tried and does not rest (its rest was over by now) counts as free at once."""
        rests = [self._longest(key_id, model) for key_id in self._key_ids]
        limited = [until for kind, until in rests if kind is RestKind.LIMITED]
        kind = RestKind.LIMITED if limited else RestKind.REFUSED
        soonest = min(limited or [until for _, until in rests], default=now)
        return AllRest(kind=kind, until=max(soonest, now))

    def _longest(self, key_id: str, model: str) -> tuple[RestKind, float]:
        found = [self._rests.get((key_id, about)) for about in (_ANY_MODEL, model)]
        rests = [rest for rest in found if rest is not None]
        if not rests:
            return RestKind.LIMITED, 0.0
        longest = max(rests, key=lambda rest: rest.until)
        is_refused = any(rest.kind is RestKind.REFUSED for rest in rests if rest.until >= longest.until)
        return (RestKind.REFUSED if is_refused else RestKind.LIMITED), longest.until

    def _rest(
        self, taken: Taken, kind: RestKind, now: float, wanted_s: float | None, *, is_for_all: bool = True
    ) -> None:
        is_for_model = kind is RestKind.LIMITED or not is_for_all
        at = (taken.key_id, taken.model if is_for_model else _ANY_MODEL)
        rest = self._rests.get(at)
        if rest is not None and rest.kind is kind and rest.since >= taken.at:
            # One of many that were under way together: the rest is lengthened where that is asked for, and not grown.
            rest.until = max(rest.until, now + (wanted_s or 0.0))
            return
        times = rest.times + 1 if rest is not None and rest.kind is kind else 1
        self._rests[at] = _Rest(kind=kind, since=now, until=now + _pause_s(kind, times, wanted_s), times=times)
        if len(self._rests) > _MOST_RESTS:
            self._forget_some(now)

    def _is_good(self, taken: Taken) -> None:
        """End the rests that are older than the request: one that was sent before says nothing about them."""
        for at in ((taken.key_id, _ANY_MODEL), (taken.key_id, taken.model)):
            rest = self._rests.get(at)
            if rest is not None and rest.since < taken.at:
                del self._rests[at]

    def _forget_some(self, now: float) -> None:
        """Drop what is over; if that is too little, the half that ends soonest."""
        ordered = sorted(self._rests.items(), key=lambda entry: entry[1].until)
        kept = [entry for entry in ordered if entry[1].until > now]
        self._rests = dict(kept[-_MOST_RESTS // 2 :] if len(kept) > _MOST_RESTS // 2 else kept)


def _pause_s(kind: RestKind, times: int, wanted_s: float | None) -> float:
    if kind is RestKind.REFUSED:
        return min(_REFUSED_FIRST_S * 2.0 ** min(times - 1, 16), _REFUSED_LONGEST_S)
    grown = min(_LIMITED_FIRST_S * 2.0 ** min(times - 1, 16), _LIMITED_LONGEST_S)
    return grown if wanted_s is None else max(wanted_s, 0.05)
