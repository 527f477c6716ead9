"""A provider's keys are used in turn; what is limited or refused rests, and the others go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.domain.key_ring import AllRest, KeyRing, KeyVerdict, RestKind, Taken

MODEL = "gpt-4o"


def took(ring: KeyRing, now: float, model: str = MODEL, tried: tuple[str, ...] = ()) -> Taken:
    taken = ring.take(model, now, tried)
    assert isinstance(taken, Taken), taken
    return taken


def rests(ring: KeyRing, now: float, model: str = MODEL) -> AllRest:
    found = ring.take(model, now)
    assert isinstance(found, AllRest), found
    return found


@pytest.mark.contract("D21")
def test_keys_take_turns() -> None:
    ring = KeyRing(["a", "b", "c"])
    assert [took(ring, 0.0).key_id for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.contract("D21")
def test_a_limited_key_rests_as_long_as_the_provider_says_and_others_go_on() -> None:
    ring = KeyRing(["a", "b"])
    assert ring.answered(took(ring, 0.0), 429, {b"retry-after": b"20"}, 0.5) is KeyVerdict.LIMITED
    assert {took(ring, 1.0).key_id for _ in range(4)} == {"b"}
    assert {took(ring, 20.6).key_id for _ in range(4)} == {"a", "b"}


def test_a_limit_is_for_one_model() -> None:
    ring = KeyRing(["a"])
    ring.answered(took(ring, 0.0), 429, {b"retry-after": b"20"}, 0.0)
    assert took(ring, 1.0, "gpt-4o-mini").key_id == "a"
    assert rests(ring, 1.0) == AllRest(kind=RestKind.LIMITED, until=20.0)


def test_without_a_word_from_the_provider_pauses_grow_up_to_a_minute_and_end_with_a_good_answer() -> None:
    ring, now, pauses = KeyRing(["a"]), 0.0, []
    for _ in range(8):
        ring.answered(took(ring, now), 429, {}, now)
        until = rests(ring, now).until
        pauses.append(until - now)
        now = until + 0.5
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    ring.answered(took(ring, now), 200, {}, now + 1)
    ring.answered(took(ring, now + 2), 429, {}, now + 2)
    assert rests(ring, now + 2).until == now + 3


@pytest.mark.parametrize(("status", "code"), [(401, ""), (402, ""), (429, "insufficient_quota")])
def test_a_refused_key_rests_for_every_model_and_ever_longer(status: int, code: str) -> None:
    ring, now, pauses = KeyRing(["a"]), 0.0, []
    for _ in range(10):
        assert ring.answered(took(ring, now), status, {}, now, code=code) is KeyVerdict.REFUSED
        found = rests(ring, now, "another-model")
        assert found.kind is RestKind.REFUSED
        pauses.append(found.until - now)
        now = found.until + 0.5
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_missing_permission_is_for_one_model() -> None:
    ring = KeyRing(["a"])
    assert ring.answered(took(ring, 0.0, "forbidden"), 403, {}, 0.0) is KeyVerdict.REFUSED
    assert rests(ring, 1.0, "forbidden").kind is RestKind.REFUSED
    assert took(ring, 1.0).key_id == "a"


def test_one_request_finds_out_whether_a_refused_key_is_good_again() -> None:
    ring = KeyRing(["bad", "good"])
    ring.answered(took(ring, 0.0), 401, {}, 0.0)
    probes = [took(ring, 31.0).key_id for _ in range(10)]
    assert probes.count("bad") == 1
    ring.answered(Taken("bad", MODEL, 31.0), 200, {}, 32.0)
    assert {took(ring, 32.0).key_id for _ in range(2)} == {"bad", "good"}


def test_many_refusals_at_once_are_one() -> None:
    ring = KeyRing(["a"])
    together = [took(ring, 0.0) for _ in range(50)]
    for number, taken in enumerate(together):
        ring.answered(taken, 401, {}, 1.0 + number / 100)
    assert rests(ring, 2.0).until == 31.0


def test_an_answer_that_was_under_way_before_a_limit_does_not_end_it() -> None:
    ring = KeyRing(["a"])
    early, late = took(ring, 0.0), took(ring, 0.5)
    ring.answered(late, 429, {b"retry-after": b"10"}, 1.0)
    assert ring.answered(early, 200, {}, 2.0) is KeyVerdict.GOOD
    assert rests(ring, 3.0).until == 11.0


def test_a_request_tries_each_key_once() -> None:
    ring = KeyRing(["a", "b", "c"])
    tried: list[str] = []
    while isinstance(taken := ring.take(MODEL, 0.0, tried), Taken):
        tried.append(taken.key_id)
    assert sorted(tried) == ["a", "b", "c"]
    assert taken == AllRest(kind=RestKind.LIMITED, until=0.0)


def test_of_limited_and_refused_keys_the_limited_ones_are_waited_for() -> None:
    ring = KeyRing(["a", "b"])
    ring.answered(took(ring, 0.0), 401, {}, 0.0)
    ring.answered(took(ring, 0.0), 429, {b"retry-after": b"9"}, 0.0)
    assert rests(ring, 1.0) == AllRest(kind=RestKind.LIMITED, until=9.0)
    assert ring.resting(1.0) == {RestKind.LIMITED: 1, RestKind.REFUSED: 1}
    assert ring.resting(100.0) == {RestKind.LIMITED: 0, RestKind.REFUSED: 0}


@pytest.mark.parametrize("status", [200, 400, 404, 413, 422, 500, 503])
def test_other_answers_say_nothing_against_the_key(status: int) -> None:
    ring = KeyRing(["a"])
    assert ring.answered(took(ring, 0.0), status, {b"retry-after": b"60"}, 0.0) is KeyVerdict.GOOD
    assert took(ring, 0.0).key_id == "a"


def test_keys_come_and_go_while_others_rest_on() -> None:
    ring = KeyRing(["a", "b"])
    ring.answered(took(ring, 0.0), 429, {b"retry-after": b"50"}, 0.0)
    ring.adopt(["a", "c"])
    assert {took(ring, 1.0).key_id for _ in range(4)} == {"c"}
    ring.adopt(["a"])
    assert rests(ring, 1.0).until == 50.0
    ring.adopt([])
    assert rests(ring, 1.0).kind is RestKind.REFUSED


def test_models_that_clients_make_up_do_not_grow_without_end() -> None:
    ring = KeyRing(["a"])
    for number in range(5000):
        ring.answered(Taken("a", f"model-{number}", float(number)), 403, {}, float(number))
    assert len(ring._rests) <= 1000
    assert rests(ring, 4999.0, "model-4999").kind is RestKind.REFUSED


@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 400, 401, 402, 403, 429, 500]), st.floats(0, 5000), st.sampled_from(["x", "y"])
        ),
        max_size=60,
    )
)
def test_whatever_comes_back_no_key_rests_longer_than_an_hour(answers: list[tuple[int, float, str]]) -> None:
    ring, now = KeyRing(["a", "b"]), 0.0
    for status, later, model in answers:
        now += later
        taken = ring.take(model, now)
        if isinstance(taken, Taken):
            assert taken.key_id in {"a", "b"}
            ring.answered(taken, status, {}, now)
        else:
            assert now <= taken.until <= now + 3600
