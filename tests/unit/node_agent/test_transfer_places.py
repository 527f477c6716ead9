"""Which address is asked next, when, and for how long there is hope."""

import random

import pytest

from roundhouse_common.contracts.catalog import SourceKind
from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.places import Places
from roundhouse_node_agent.transfers.refusals import Setback, refusal_of, shown
from roundhouse_node_agent.transfers.web import Place
from tests.support.hand_clock import HandClock

HUB = SourceKind.HUGGING_FACE


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def some_places(clock: HandClock, count: int = 2) -> Places:
    places = [Place(url=f"http://mirror-{number}.example/file") for number in range(count)]
    return Places(places, clock=clock, rng=random.Random(1), retry_s=1.0, patience_s=60.0)


def test_the_best_address_is_asked_first_and_again_after_its_rest(clock: HandClock) -> None:
    places = some_places(clock)
    first, second = places.all
    assert places.pick() is first
    places.failed(first, Setback("cut"), clock.at)
    assert places.pick() is second
    clock.at += 1
    assert places.pick() is first


def test_rests_grow_and_shrink_again_with_the_first_byte(clock: HandClock) -> None:
    places = some_places(clock, 1)
    (place,) = places.all
    rests = []
    for _ in range(6):
        places.failed(place, Setback("cut"), clock.at)
        rests.append(places.rest_s(place))
        clock.at += rests[-1]
    assert rests[0] <= 1
    assert 4 <= rests[3] <= 8
    assert max(rests) <= 15
    places.heard(place)
    places.failed(place, Setback("cut"), clock.at)
    assert places.rest_s(place) <= 1


def test_connections_that_fail_together_count_once(clock: HandClock) -> None:
    places = some_places(clock, 1)
    (place,) = places.all
    asked_at = clock.at
    clock.at += 1
    for _ in range(8):
        places.failed(place, Setback("the server is gone"), asked_at)
    assert place.failures == 1


def test_what_a_server_asks_for_is_waited_for(clock: HandClock) -> None:
    places = some_places(clock, 1)
    (place,) = places.all
    for _ in range(5):
        places.failed(place, Setback("429", wait_s=100), clock.at)
        assert places.rest_s(place) == 100
        clock.at += 100


def test_nothing_for_too_long_is_given_up_for_now(clock: HandClock) -> None:
    places = some_places(clock, 1)
    (place,) = places.all

    def fail_for_ever() -> None:
        while True:
            places.failed(place, Setback("http://mirror-0.example/file answered 500"), clock.at)
            clock.at += places.rest_s(place)

    with pytest.raises(TransferFailed, match="nothing came for 60 s") as caught:
        fail_for_ever()
    assert caught.value.is_retryable
    assert "answered 500" in caught.value.message


def test_one_slow_failure_does_not_end_it(clock: HandClock) -> None:
    places = some_places(clock, 1)
    asked_at, clock.at = clock.at, clock.at + 600
    places.failed(places.all[0], Setback("no byte came in time"), asked_at)


def test_addresses_that_refuse_are_not_asked_again(clock: HandClock) -> None:
    places = some_places(clock)
    for place in places.all:
        place.refusal = f"{place.url} answered 404"
    assert places.pick() is None
    assert not places.refused().is_retryable
    assert "mirror-0" in places.refused().message
    assert "mirror-1" in places.refused().message


def test_an_address_without_ranges_is_not_asked_for_parts(clock: HandClock) -> None:
    places = some_places(clock)
    places.all[0].has_ranges = False
    assert places.pick(for_parts=True) is places.all[1]
    assert places.pick() is places.all[0]


def test_messages_show_no_secrets_of_an_address() -> None:
    url = "https://user:pass@hub.example:8443/m/a.bin?X-Signature=abc#frag"
    assert shown(url, HUB) == "https://hub.example:8443/m/a.bin"
    assert shown("https://catalog.example/uploads/secret", SourceKind.UPLOAD) == "https://catalog.example"


@pytest.mark.parametrize(
    ("status", "headers", "has_credentials", "said"),
    [
        (401, {}, False, "Set the node's token for Hugging Face"),
        (401, {}, True, "is not accepted"),
        (403, {"X-Error-Code": "GatedRepo"}, True, "licence has to be accepted"),
        (404, {}, False, "private models look like this"),
        (404, {}, True, "Check the name and the revision"),
        (418, {}, True, "answered 418"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, headers: dict[str, str], has_credentials: bool, said: str) -> None:
    refusal = refusal_of(status, "https://hub.example/m?token=x", HUB, headers, has_credentials=has_credentials)
    assert said in str(refusal)
    assert "token=x" not in str(refusal)
