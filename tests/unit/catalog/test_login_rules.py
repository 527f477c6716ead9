"""The rules of logging in, over every order of events: pauses, chains of refresh tokens, signing keys, passwords."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain.lockouts import BY_NAME, NO_ATTEMPTS, begun, succeeded, wait_s
from roundhouse_catalog.domain.oidc import is_secure, person_of, redirect_fault, wanted_roles
from roundhouse_catalog.domain.oidc_providers import GroupRole, OidcRules
from roundhouse_catalog.domain.passwords import check_new_password
from roundhouse_catalog.domain.sessions import RefreshToken, SessionRules, Step, judged
from roundhouse_catalog.domain.signing_keys import KeyRules, SigningKey, current_key, published, withdrawn
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import UnixTime

RULES = SessionRules()


def at(seconds: float) -> UnixTime:
    return UnixTime(1_800_000_000 + seconds)


@given(st.lists(st.floats(0, 2000), max_size=60))
def test_no_more_guesses_get_through_than_the_pauses_allow(gaps: list[float]) -> None:
    """However the attempts are spaced within a day, those let through are free ones or came after their pause."""
    attempts, now, through = NO_ATTEMPTS, 0.0, []
    for gap in gaps:
        now += gap
        if wait_s(attempts, at(now)) == 0:
            attempts = begun(attempts, BY_NAME, at(now))
            through.append((now, attempts.failures))
    for (earlier, failures), (later, _) in pairwise(through):
        assert later - earlier >= BY_NAME.pause_s(failures) - 1e-3


def test_pauses_double_to_a_quarter_of_an_hour_and_are_forgotten() -> None:
    pauses = [BY_NAME.pause_s(failures) for failures in (1, 4, 5, 6, 7, 14, 15, 5000)]
    assert pauses == [0, 0, 1, 2, 4, 512, 900, 900]
    many = replace(NO_ATTEMPTS, failures=40, last_at=at(0))
    assert begun(many, BY_NAME, at(3599)).failures == 41
    assert begun(many, BY_NAME, at(3601)).failures == 1


def test_attempt_that_was_right_is_taken_back_and_others_still_count() -> None:
    seven = replace(NO_ATTEMPTS, failures=7, last_at=at(0), locked_until=at(4))
    assert succeeded(seven, BY_NAME).failures == 6
    assert wait_s(succeeded(seven, BY_NAME), at(0)) == 2


@given(events=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 30)), min_size=1, max_size=12))
def test_of_two_who_have_the_chain_never_both_go_on(events: list[tuple[int, bool, float]]) -> None:
    """Any token given so far is used again, by its client or another: after a second client, nobody goes on."""
    chain = [RefreshToken(sha256="0", session_id="ses", created_at=at(0))]
    is_over, now, others = False, 0.0, 0
    for back, same_client, gap in events:
        now += gap
        place = max(0, len(chain) - 1 - back)
        token = chain[place]
        successor = next((one for one in chain if one.sha256 == token.successor), None)
        if is_over:
            break
        step = judged(token, successor, same_client=same_client, rules=RULES, now=at(now))
        if step is Step.END:
            is_over = True
            assert token.used_at is not None
            continue
        others += not same_client
        if token.used_at is not None:
            assert same_client
            assert now <= token.used_at - at(0) + RULES.grace_s + 1e-3
            assert successor is not None
            assert successor.used_at is None
            chain.remove(successor)
        given_token = RefreshToken(sha256=f"{now}-{len(chain)}", session_id="ses", created_at=at(now))
        chain[place] = replace(token, used_at=token.used_at or at(now), successor=given_token.sha256)
        chain.append(given_token)
    unused = [one for one in chain if one.used_at is None]
    assert len(unused) <= 1 + is_over, "only the newest token of a chain is good"


def key(kid: str, signs_from: float) -> SigningKey:
    return SigningKey(
        kid=kid,
        public_jwk=f'{{"kid": "{kid}"}}',
        sealed_private="sealed",
        created_at=at(signs_from),
        created_by="",
        signs_from=at(signs_from),
    )


@given(rotations=st.lists(st.floats(1, 4000), max_size=6), moment=st.floats(0, 20_000))
def test_whatever_is_signed_can_be_verified_until_it_expires(rotations: list[float], moment: float) -> None:
    """A service that knows only what is published now verifies every token of the last minutes, at any moment."""
    rules, keys, now = KeyRules(), [key("k0", 0)], 0.0
    for number, gap in enumerate(rotations, 1):
        now += gap
        keys.append(key(f"k{number}", now + rules.lead_s))
    signed_at = at(moment)
    signer = current_key(keys, signed_at)
    assert signer is not None
    for age in (0.0, rules.longest_token_s):
        gone = {one.kid for one in withdrawn(keys, rules, UnixTime(signed_at + age))}
        assert signer.kid not in gone


def test_generation_grows_when_a_key_comes_and_when_one_goes() -> None:
    one, two = key("a", 0), key("b", 10)
    gone = replace(one, withdrawn_at=at(500), sealed_private="")
    generations = [published(keys).generation for keys in ([one], [one, two], [gone, two])]
    assert generations == [1, 2, 3]
    assert '"a"' not in published([gone, two]).jwks


@pytest.mark.parametrize(
    "weak",
    [
        "short",
        "aaaaaaaaaaaaaaaa",
        "Password1234",
        "P4$$w0rd2024!",
        "qwertyuiop123",
        "123456789012",
        "roundhouse1",
        "abcdefghijklmn",
    ],
)
def test_what_is_tried_first_is_weak(weak: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_new_password(weak, login_name="ann")
    assert weak not in str(refused.value)


@pytest.mark.parametrize(
    "strong", ["correct horse battery staple", "vier grüne Kessel!", "x7#Kq!m2Zp9w", "纸" * 3 + "墨笔砚琴棋书画诗酒"]
)
def test_long_and_odd_is_strong_in_any_script(strong: str) -> None:
    check_new_password(strong, login_name="ann")


def test_groups_give_and_take_what_the_rules_name() -> None:
    rules = OidcRules(
        group_roles=(
            GroupRole(group="ml", tenant_id="t1", roles=("user",)),
            GroupRole(group="ops", tenant_id="t1", roles=("operator", "user")),
            GroupRole(group="root", roles=("administrator",)),
        )
    )
    person = person_of({"sub": "1", "groups": ["ops", 7, "ml"], "email": "A@x", "email_verified": "yes"}, rules)
    assert wanted_roles(person, rules) == {"t1": ("user", "operator"), "": ()}
    assert person.email == "", "only a provider that says true has verified it"


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("http://127.0.0.1:4000/x", True),
        ("http://[::1]:4000/", True),
        ("http://localhost:1/", True),
        ("https://console.example/done", True),
        ("https://console.example/done?x", False),
        ("https://127.0.0.1/", False),
        ("http://127.0.0.1:1/#x", False),
        ("http://127.1.evil.example/", False),
        ("http://user@127.0.0.1/", False),
    ],
)
def test_clients_are_answered_on_this_machine_or_where_settings_say(address: str, is_good: bool) -> None:
    assert (redirect_fault(address, ["https://console.example/done"]) is None) is is_good


def test_only_addresses_that_nobody_can_change_on_the_way_are_secure() -> None:
    assert [is_secure(one) for one in ("https://a", "http://a", "http://127.0.0.1:1", "ftp://a", "a", "")] == [
        True, False, True, False, False, False,
    ]  # fmt: skip
