"""Keys that come and go, and people who are signed out, as a service that verifies tokens hears of them."""

import json

import pytest

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.sign_outs import SignOuts
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.contracts.identity import EndedSession, SignOut
from roundhouse_common.errors import Unauthenticated
from tests.support.hand_clock import HandClock

ADA = Subject(id="usr_ada", tenant_id="ten_1", roles=frozenset({Role.USER}), session_id="ses_1")


def both(*sets: str) -> str:
    return json.dumps({"keys": [key for one in sets for key in json.loads(one)["keys"]]})


def test_published_keys_count_beside_those_of_the_file_until_they_are_withdrawn() -> None:
    clock = HandClock()
    (in_file, file_set), (old, old_set), (new, new_set) = (generate_keypair() for _ in range(3))
    verifier = TokenVerifier(file_set, clock=clock)
    tokens = {
        name: TokenSigner(key, clock=clock).sign(ADA, 60) for name, key in (("f", in_file), ("o", old), ("n", new))
    }

    def accepted() -> str:
        found = ""
        for name, token in tokens.items():
            try:
                verifier.verify(token)
                found += name
            except Unauthenticated:
                pass
        return found

    assert accepted() == "f"
    verifier.trust(old_set, generation=1)
    assert accepted() == "fo"
    verifier.trust(both(old_set, new_set), generation=2)
    assert accepted() == "fon"
    verifier.trust(new_set, generation=3)
    assert accepted() == "fn"
    verifier.trust(old_set, generation=2)
    assert accepted() == "fn", "what comes late is not news"


def test_keys_that_are_none_leave_things_as_they_were() -> None:
    clock = HandClock()
    private, public = generate_keypair()
    verifier = TokenVerifier(generate_keypair()[1], clock=clock)
    verifier.trust(public, generation=1)
    with pytest.raises(ValueError, match="Expecting value"):
        verifier.trust("no keys", generation=2)
    assert verifier.verify(TokenSigner(private, clock=clock).sign(ADA, 60)).id == "usr_ada"


def test_signed_out_everywhere_voids_what_was_issued_before_and_nothing_since() -> None:
    clock = HandClock()
    private, public = generate_keypair()
    signer, verifier = TokenSigner(private, clock=clock), TokenVerifier(public, clock=clock)
    before = signer.sign(ADA, 60)
    clock.at += 0.25
    verifier.void({"usr_ada": SignOut(user_id="usr_ada", issued_before=clock.now())})
    with pytest.raises(Unauthenticated, match="has ended"):
        verifier.verify(before)
    clock.at += 0.25  # in the same second
    assert verifier.verify(signer.sign(ADA, 60)).id == "usr_ada"


def test_ended_session_voids_its_own_tokens_only() -> None:
    outs = SignOuts()
    outs.take({"usr_ada": SignOut(user_id="usr_ada", sessions=(EndedSession(session_id="ses_1", until=9.0),))})
    assert outs.is_void(ADA)
    assert not outs.is_void(Subject(id="usr_ada", tenant_id="ten_1", session_id="ses_2"))
    assert not outs.is_void(Subject(id="usr_bob", tenant_id="ten_1", session_id="ses_1"))
    assert not outs.is_void(Subject(id="usr_ada", tenant_id="ten_1"))


def test_older_word_of_a_sign_out_lets_nobody_in_again() -> None:
    outs = SignOuts()
    outs.take({"usr_ada": SignOut(user_id="usr_ada", issued_before=100.0)})
    outs.take({"usr_ada": SignOut(user_id="usr_ada", issued_before=50.0)})
    assert outs.is_void(Subject(id="usr_ada", tenant_id="ten_1", issued_at=70.0))
