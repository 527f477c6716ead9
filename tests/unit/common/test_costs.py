"""What things cost: whole nano-units, rounded once, and never nothing because a rate is missing."""

from fractions import Fraction
from math import floor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.money import NANO, Rates
from roundhouse_common.contracts.usage import INPUT_CLASSES, OUTPUT_CLASSES, Operation, Outcome, Reuse
from roundhouse_common.pricing import Quantities, cost, missing_rate, most_cost, percent_of, quantities_of
from tests.support.prices import price, token_rates
from tests.support.usage import usage_record

pytestmark = pytest.mark.contract("F01")

_RATE = st.none() | st.integers(0, 10**13)
_RATES = st.builds(Rates, **dict.fromkeys(Rates.__struct_fields__, _RATE))
_FULL = st.builds(Rates, **dict.fromkeys(Rates.__struct_fields__, st.integers(0, 10**13)))
_AMOUNT = st.integers(0, 10**9)
_QUANTITIES = st.builds(Quantities, **dict.fromkeys(Quantities.__struct_fields__, _AMOUNT))
_BY_UNIT = {
    "input_tokens": ("input_per_million", 10**6),
    "cached_input_tokens": ("cached_input_per_million", 10**6),
    "cache_write_tokens": ("cache_write_per_million", 10**6),
    "output_tokens": ("output_per_million", 10**6),
    "reasoning_tokens": ("reasoning_per_million", 10**6),
    "input_audio_tokens": ("input_audio_per_million", 10**6),
    "output_audio_tokens": ("output_audio_per_million", 10**6),
    "input_image_tokens": ("input_image_per_million", 10**6),
    "output_image_tokens": ("output_image_per_million", 10**6),
    "requests": ("per_request", 1),
    "images": ("per_image", 1),
    "audio_ms": ("per_audio_second", 1000),
    "characters": ("characters_per_million", 10**6),
    "replica_ms": ("per_replica_second", 1000),
    "device_ms": ("per_device_second", 1000),
    "storage_byte_s": ("per_gib_hour", 1024**3 * 3600),
}


@given(rates=_FULL, quantities=_QUANTITIES, percent=st.integers(0, 100))
def test_the_cost_is_the_exact_sum_rounded_once_half_up(rates: Rates, quantities: Quantities, percent: int) -> None:
    exact = sum(
        Fraction(getattr(quantities, amount) * getattr(rates, rate), unit) for amount, (rate, unit) in _BY_UNIT.items()
    ) * Fraction(percent, 100)
    assert cost(rates, quantities, percent=percent) == floor(exact + Fraction(1, 2))


@given(rates=_RATES, quantities=_QUANTITIES)
def test_there_is_a_cost_exactly_when_no_rate_is_missing(rates: Rates, quantities: Quantities) -> None:
    found = cost(rates, quantities)
    assert (found is None) == (missing_rate(rates, quantities) is not None)
    assert found is None or (isinstance(found, int) and found >= 0)


@given(
    rates=_RATES, inputs=st.lists(_AMOUNT, min_size=5, max_size=5), outputs=st.lists(_AMOUNT, min_size=4, max_size=4)
)
def test_a_reservation_covers_whichever_classes_the_tokens_turn_out_to_be(
    rates: Rates, inputs: list[int], outputs: list[int]
) -> None:
    most = most_cost(rates, input_tokens=sum(inputs), output_tokens=sum(outputs))
    used = Quantities(
        **dict(zip(INPUT_CLASSES, inputs, strict=True)),
        **dict(zip(OUTPUT_CLASSES, outputs, strict=True)),
        requests=1,
    )
    real = cost(rates, used)
    assert most is None or real is None or real <= most


def test_classes_without_a_rate_of_their_own_cost_as_the_class_that_they_are_part_of() -> None:
    quantities = Quantities(cached_input_tokens=500_000, cache_write_tokens=250_000, reasoning_tokens=100_000)
    assert cost(token_rates(4, 10), quantities) == 4 * NANO
    own = token_rates(4, 10, cached_input_per_million=NANO, cache_write_per_million=5 * NANO, reasoning_per_million=0)
    assert cost(own, quantities) == NANO // 2 + NANO * 5 // 4


def test_sound_and_images_cost_as_text_unless_they_have_rates_of_their_own() -> None:
    heard = Quantities(input_tokens=1_000_000, input_audio_tokens=500_000, output_audio_tokens=100_000)
    assert cost(token_rates(4, 10), heard) == 7 * NANO
    own = token_rates(4, 10, input_audio_per_million=40 * NANO, output_audio_per_million=80 * NANO)
    assert cost(own, heard) == (4 + 20 + 8) * NANO
    drawn = Quantities(input_image_tokens=500_000, output_image_tokens=100_000)
    assert cost(own, drawn) == 3 * NANO
    assert missing_rate(Rates(input_audio_per_million=1), Quantities(input_audio_tokens=1)) is None
    assert cost(token_rates(4, 10, input_image_per_million=0, output_image_per_million=NANO), drawn) == NANO // 10


@pytest.mark.parametrize(
    ("rates", "quantities", "missing"),
    [
        (Rates(input_per_million=1), Quantities(output_audio_tokens=1), "output_per_million"),
        (Rates(input_audio_per_million=1), Quantities(input_image_tokens=1), "input_per_million"),
        (Rates(), Quantities(input_tokens=1), "input_per_million"),
        (Rates(input_per_million=1), Quantities(input_tokens=1, output_tokens=1), "output_per_million"),
        (Rates(per_request=5), Quantities(input_tokens=1, requests=1), "input_per_million"),
        (Rates(), Quantities(images=1), "per_image"),
        (Rates(), Quantities(audio_ms=1), "per_audio_second"),
        (Rates(), Quantities(characters=1), "characters_per_million"),
        (Rates(), Quantities(replica_ms=1), "per_replica_second"),
        (Rates(), Quantities(storage_byte_s=1), "per_gib_hour"),
        (Rates(input_per_million=1, per_image=1), Quantities(output_tokens=1, images=1), "output_per_million"),
    ],
)
def test_a_missing_rate_is_named_and_is_not_free(rates: Rates, quantities: Quantities, missing: str) -> None:
    assert missing_rate(rates, quantities) == missing
    assert cost(rates, quantities) is None


def test_a_rate_of_nothing_is_free() -> None:
    assert cost(Rates(input_per_million=0, output_per_million=0), Quantities(input_tokens=9, output_tokens=9)) == 0


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (Rates(per_audio_second=NANO), 2 * NANO + NANO // 2),
        (Rates(characters_per_million=NANO), NANO // 1000),
        (token_rates(1, 1), 20 * NANO // 1_000_000),
    ],
)
def test_media_are_paid_by_the_measure_that_the_price_has(rates: Rates, expected: int) -> None:
    spoken = Quantities(input_tokens=20, requests=1, audio_ms=2500, characters=1000)
    assert cost(rates, spoken) == expected


def test_replicas_are_paid_by_their_time_and_that_of_their_devices() -> None:
    held = Quantities(replica_ms=1500, device_ms=3000)
    assert cost(Rates(per_replica_second=100, per_device_second=1000), held) == 150 + 3000
    assert cost(Rates(per_device_second=1000), held) == 3000


def test_the_fee_per_request_is_for_those_that_were_completed() -> None:
    rates = token_rates(1, 1, per_request=7)
    ended = {outcome: usage_record(outcome=outcome) for outcome in (Outcome.COMPLETED, Outcome.FAILED, Outcome.ABORTED)}
    costs = {outcome: cost(rates, quantities_of(record)) for outcome, record in ended.items()}
    tokens = 15 * NANO // 1_000_000
    assert costs == {Outcome.COMPLETED: tokens + 7, Outcome.FAILED: tokens, Outcome.ABORTED: tokens}


def test_an_answer_that_no_engine_worked_for_costs_its_share() -> None:
    line = price(rates=token_rates(1, 1), reuse_percent=10)
    shares = [percent_of(line, reuse) for reuse in (Reuse.NONE, Reuse.CACHED, Reuse.COALESCED, Reuse.REPLAYED)]
    assert shares == [100, 10, 10, 10]
    quantities = quantities_of(usage_record(reuse=Reuse.CACHED, operation=Operation.CHAT))
    assert cost(line.rates, quantities, percent=10) == 15 * NANO // 10_000_000


def test_amounts_are_whole_numbers_on_the_wire() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"input_per_million": 0.5}', type=Rates)
