"""What requests and replicas cost, in whole nano-units. Pure arithmetic on integers: metering bills by it, and routers
reserve budgets by it, in the same way.

Nothing is ever taken for free because nobody said what it costs: such a cost is None, "unpriced".
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from roundhouse_common.contracts.money import PriceRecord, Rates
from roundhouse_common.contracts.usage import Outcome, Reuse, UsageRecord
from roundhouse_common.routing import fits_pattern, is_pattern, pattern_rank

__all__ = [
    "NOTHING",
    "REPLICA_TIME",
    "PriceFacts",
    "PriceTable",
    "Quantities",
    "choose_price",
    "cost",
    "facts_of",
    "missing_rate",
    "most_cost",
    "percent_of",
    "quantities_of",
]

_MILLION: Final = 1_000_000
_GIB_HOUR: Final = 1024**3 * 3600
_KINDS_MOST: Final = 50_000
"""Kinds of requests whose lines are remembered; then all are looked for anew."""


REPLICA_TIME: Final = "replica_time"
"""In the place of an operation: the time of replicas, not a request."""


class PriceFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What of a request decides which price it has."""

    at: float
    """Unix seconds, of its admission."""
    tenant_id: str = ""
    deployment_id: str = ""
    provider_id: str = ""
    model: str = ""
    """The name that was served."""
    device_class: str = ""
    operation: str = ""
    input_tokens: int = 0
    """Of all classes together: what tiers go by."""


class Quantities(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is paid for. The token classes are disjoint."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0
    images: int = 0
    audio_ms: int = 0
    characters: int = 0
    replica_ms: int = 0
    device_ms: int = 0
    storage_byte_s: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0

    @property
    def all_input_tokens(self) -> int:
        read = self.input_tokens + self.cached_input_tokens + self.cache_write_tokens
        return read + self.input_audio_tokens + self.input_image_tokens

    @property
    def tokens(self) -> int:
        """Of all classes."""
        made = self.output_tokens + self.reasoning_tokens + self.output_audio_tokens + self.output_image_tokens
        return self.all_input_tokens + made


NOTHING: Final = Quantities()


def facts_of(record: UsageRecord) -> PriceFacts:
    """Return what decides the price of a request in the ledger."""
    return PriceFacts(
        at=record.admitted_at,
        tenant_id=record.tenant_id,
        deployment_id=record.deployment_id,
        provider_id=record.provider_id,
        model=record.model_served,
        device_class=record.device_class,
        operation=str(record.operation),
        input_tokens=record.all_input_tokens,
    )


def quantities_of(record: UsageRecord) -> Quantities:
    """Return what is paid for of a request: what was counted, however it ended, and the fee per request of those that
    were completed."""
    return Quantities(
        input_tokens=record.input_tokens,
        cached_input_tokens=record.cached_input_tokens,
        cache_write_tokens=record.cache_write_tokens,
        output_tokens=record.output_tokens,
        reasoning_tokens=record.reasoning_tokens,
        requests=1 if record.outcome is Outcome.COMPLETED else 0,
        images=record.images,
        audio_ms=record.audio_ms,
        characters=record.input_characters,
        input_audio_tokens=record.input_audio_tokens,
        output_audio_tokens=record.output_audio_tokens,
        input_image_tokens=record.input_image_tokens,
        output_image_tokens=record.output_image_tokens,
    )


def percent_of(price: PriceRecord, reuse: Reuse) -> int:
    """Return how much of the cost is asked for: 100, or what the price says of answers that no engine worked for."""
    return 100 if reuse in (Reuse.NONE, Reuse.UNKNOWN) else price.reuse_percent


def choose_price(prices: Iterable[PriceRecord], facts: PriceFacts) -> PriceRecord | None:
    """Return the line that is for this request; None: there is none. One without any rate for such things is not.

    Of those that fit and are valid, the most specific: by tenant, then deployment, provider, model (an exact name, then
    the longest pattern), device class, operation; then the highest tier, then the one that became valid last, then the
    higher id.
    """
    fitting = [price for price in prices if _fits(price, facts) and _is_due(price, facts)]
    return max(fitting, key=_rank, default=None)


class PriceTable:
    """The same choice among many lines, for many requests: what fits each kind of request is found once."""

    def __init__(self, prices: Iterable[PriceRecord] = ()) -> None:
        self.prices: tuple[PriceRecord, ...] = tuple(sorted(prices, key=_rank, reverse=True))
        self._found: dict[tuple[str, ...], tuple[PriceRecord, ...]] = {}

    def choose(self, facts: PriceFacts) -> PriceRecord | None:
        """Return what `choose_price` returns."""
        for price in self.fitting(facts):
            if _is_due(price, facts):
                return price
        return None

    def fitting(self, facts: PriceFacts) -> Sequence[PriceRecord]:
        """Return the lines that fit, whatever their time and tier, the most specific first."""
        kind = (
            *(facts.tenant_id, facts.deployment_id, facts.provider_id),
            *(facts.model, facts.device_class, facts.operation),
        )
        found = self._found.get(kind)
        if found is None:
            if len(self._found) >= _KINDS_MOST:
                self._found.clear()
            found = self._found[kind] = tuple(price for price in self.prices if _fits(price, facts))
        return found


def missing_rate(rates: Rates, quantities: Quantities) -> str | None:
    """Return the first rate that the price lacks for this; None: it is priced.

    Every token class that was used needs one. Images, seconds of audio and characters are other measures of the same
    work: where a price has a rate for one that was counted, tokens need none unless it has rates for tokens too, and
    where tokens are priced, those measures need none.
    """
    by_measure = (
        (quantities.images, rates.per_image, "per_image"),
        (quantities.audio_ms, rates.per_audio_second, "per_audio_second"),
        (quantities.characters, rates.characters_per_million, "characters_per_million"),
    )
    counted = [(rate, name) for amount, rate, name in by_measure if amount]
    is_measured = any(rate is not None for rate, _ in counted)
    if quantities.tokens and not (is_measured and not _has_token_rates(rates)):
        return _missing_token_rate(rates, quantities)
    if counted and not is_measured:
        return counted[0][1]
    if quantities.replica_ms and rates.per_replica_second is None and rates.per_device_second is None:
        return "per_replica_second"
    if quantities.storage_byte_s and rates.per_gib_hour is None:
        return "per_gib_hour"
    return None


def cost(rates: Rates, quantities: Quantities, *, percent: int = 100) -> int | None:
    """Return the cost in nano-units, None where a rate is missing. It is rounded once, at the sum: half a nano-unit
    up."""
    if missing_rate(rates, quantities) is not None:
        return None
    above, below = _exact(rates, quantities, percent)
    return (2 * above + below) // (2 * below)


def most_cost(rates: Rates, *, input_tokens: int, output_tokens: int, requests: int = 1, images: int = 0) -> int | None:
    """Return the most that so many tokens may cost, rounded up, whichever of their classes they turn out to be; None
    where the price has no rate for them. For a reservation, before anything is counted: seconds of audio and characters
    are not known then, and a price that goes by them reserves only its fees."""
    inputs, outputs = _input_rates(rates), _output_rates(rates)
    fees = requests * (rates.per_request or 0) + images * (rates.per_image or 0)
    if not _has_token_rates(rates) and _has_measure_rates(rates):
        return fees
    if (input_tokens and None in inputs) or (output_tokens and None in outputs):
        return None
    dearest_input = max((rate for rate in inputs if rate is not None), default=0)
    dearest_output = max((rate for rate in outputs if rate is not None), default=0)
    above = input_tokens * dearest_input + output_tokens * dearest_output
    return -(-above // _MILLION) + fees


def _exact(rates: Rates, quantities: Quantities, percent: int) -> tuple[int, int]:
    """Return the cost as a fraction."""
    q = quantities
    inputs, outputs = _input_rates(rates), _output_rates(rates)
    millionths = (
        q.input_tokens * (inputs[0] or 0)
        + q.cached_input_tokens * (inputs[1] or 0)
        + q.cache_write_tokens * (inputs[2] or 0)
        + q.input_audio_tokens * (inputs[3] or 0)
        + q.input_image_tokens * (inputs[4] or 0)
        + q.output_tokens * (outputs[0] or 0)
        + q.reasoning_tokens * (outputs[1] or 0)
        + q.output_audio_tokens * (outputs[2] or 0)
        + q.output_image_tokens * (outputs[3] or 0)
        + q.characters * (rates.characters_per_million or 0)
        + (q.requests * (rates.per_request or 0) + q.images * (rates.per_image or 0)) * _MILLION
    )
    thousandths = (
        q.audio_ms * (rates.per_audio_second or 0)
        + q.replica_ms * (rates.per_replica_second or 0)
        + q.device_ms * (rates.per_device_second or 0)
    )
    above, below = (millionths + thousandths * 1000) * percent, _MILLION * 100
    if q.storage_byte_s:
        above = above * _GIB_HOUR + q.storage_byte_s * (rates.per_gib_hour or 0) * percent * _MILLION
        below *= _GIB_HOUR
    return above, below


def _input_rates(rates: Rates) -> tuple[int | None, int | None, int | None, int | None, int | None]:
    """Return those of input, cached input, cache writes, audio and images."""
    plain, cached, written = rates.input_per_million, rates.cached_input_per_million, rates.cache_write_per_million
    audio, image = rates.input_audio_per_million, rates.input_image_per_million
    return (
        plain,
        plain if cached is None else cached,
        plain if written is None else written,
        plain if audio is None else audio,
        plain if image is None else image,
    )


def _output_rates(rates: Rates) -> tuple[int | None, int | None, int | None, int | None]:
    """Return those of output, reasoning, audio and images."""
    plain, reasoning = rates.output_per_million, rates.reasoning_per_million
    audio, image = rates.output_audio_per_million, rates.output_image_per_million
    return (
        plain,
        plain if reasoning is None else reasoning,
        plain if audio is None else audio,
        plain if image is None else image,
    )


def _has_token_rates(rates: Rates) -> bool:
    return any(rate is not None for rate in (*_input_rates(rates), *_output_rates(rates)))


def _has_measure_rates(rates: Rates) -> bool:
    measures = (rates.per_image, rates.per_audio_second, rates.characters_per_million)
    return any(rate is not None for rate in measures)


def _missing_token_rate(rates: Rates, quantities: Quantities) -> str | None:
    if rates.input_per_million is not None and rates.output_per_million is not None:
        return None  # what every class falls back to
    q, inputs, outputs = quantities, _input_rates(rates), _output_rates(rates)
    read = (
        *(q.input_tokens, q.cached_input_tokens, q.cache_write_tokens),
        *(q.input_audio_tokens, q.input_image_tokens),
    )
    if any(count and rate is None for count, rate in zip(read, inputs, strict=True)):
        return "input_per_million"
    made = (q.output_tokens, q.reasoning_tokens, q.output_audio_tokens, q.output_image_tokens)
    if any(count and rate is None for count, rate in zip(made, outputs, strict=True)):
        return "output_per_million"
    return None


def _fits(price: PriceRecord, facts: PriceFacts) -> bool:
    """Say whether the line is for such requests, whenever they come and however long they are."""
    return (
        not price.is_deleted
        and price.tenant_id in ("", facts.tenant_id)
        and price.deployment_id in ("", facts.deployment_id)
        and price.provider_id in ("", facts.provider_id)
        and price.operation in ("", facts.operation)
        and (not price.model or fits_pattern(price.model, facts.model))
        and (not price.device_class or fits_pattern(price.device_class, facts.device_class))
        and _has_rates_for(price.rates, facts.operation)
    )


def _has_rates_for(rates: Rates, operation: str) -> bool:
    """Say whether the line is about such things at all: one for replicas does not stand before one for requests."""
    if operation == REPLICA_TIME:
        return rates.per_replica_second is not None or rates.per_device_second is not None
    return _has_token_rates(rates) or _has_measure_rates(rates) or rates.per_request is not None


def _is_due(price: PriceRecord, facts: PriceFacts) -> bool:
    """Say whether the line is valid at that time, and for so many input tokens."""
    if price.tier_from_tokens > facts.input_tokens or facts.at < price.valid_from:
        return False
    return not price.valid_until or facts.at < price.valid_until


def _rank(price: PriceRecord) -> tuple[object, ...]:
    """Return what makes a line win over another: the greater one does."""
    return (
        bool(price.tenant_id),
        bool(price.deployment_id),
        bool(price.provider_id),
        _name_rank(price.model),
        _name_rank(price.device_class),
        bool(price.operation),
        price.tier_from_tokens,
        price.valid_from,
        price.price_id,
    )


def _name_rank(name: str) -> tuple[int, int, int]:
    """Return how specific a name is: none, then patterns by their fixed parts, then exact ones."""
    if not name:
        return 0, 0, 0
    if not is_pattern(name):
        return 2, 0, 0
    fixed, beginning, _ = pattern_rank(name)
    return 1, -fixed, -beginning
