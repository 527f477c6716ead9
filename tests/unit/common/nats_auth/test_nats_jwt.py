"""Keys, signed claims and credentials files, in the spelling of NATS."""

import base64
import json
import random

import nkeys
import pytest

from roundhouse_common.contracts.base import Service
from roundhouse_common.contracts.generate.permissions import permissions_of
from roundhouse_common.nats_auth.authority import NodeAuthority, Root
from roundhouse_common.nats_auth.claims import account_claims, node_claims, service_claims
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.jwt import claims_of, encode
from roundhouse_common.nats_auth.keys import KeyKind, is_public_key, new_seed, public_key

# The pair that the documentation of NATS shows (docs.nats.io, "NKeys").
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def entropy(count: int) -> bytes:
    return random.Random(count).randbytes(count)


def test_a_seed_and_its_public_key_belong_together() -> None:
    assert public_key(SEED) == PUBLIC


@pytest.mark.parametrize(("kind", "letter"), [(KeyKind.OPERATOR, "O"), (KeyKind.ACCOUNT, "A"), (KeyKind.USER, "U")])
def test_a_new_key_names_its_kind(kind: KeyKind, letter: str) -> None:
    seed = new_seed(kind, entropy)

    assert (seed[:2], public_key(seed)[0]) == (f"S{letter}", letter)
    assert is_public_key(public_key(seed), kind)
    assert [other for other in KeyKind if is_public_key(public_key(seed), other)] == [kind]


@pytest.mark.parametrize(
    "text", ["", "U", PUBLIC[:-1], PUBLIC[:-1] + "5", PUBLIC.lower(), SEED, PUBLIC + "A", "é" * 56]
)
def test_what_is_mistyped_is_no_public_key(text: str) -> None:
    assert not is_public_key(text, KeyKind.USER)


@pytest.mark.parametrize("text", ["", "hello", PUBLIC])
def test_what_is_no_seed_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no nkey seed"):
        public_key(text)


def test_claims_are_signed_with_the_key_that_they_name() -> None:
    token = encode({"sub": PUBLIC, "name": "nod_a", "nats": {"type": "user"}}, seed=SEED, issued_at=1_700_000_000)

    head, body, signature = token.split(".")
    assert json.loads(_plain(head)) == {"typ": "JWT", "alg": "ed25519-nkey"}
    assert nkeys.from_seed(bytearray(SEED.encode())).verify(f"{head}.{body}".encode(), _plain(signature))
    claims = claims_of(token)
    assert (claims["iss"], claims["iat"], claims["sub"], claims["name"]) == (PUBLIC, 1_700_000_000, PUBLIC, "nod_a")
    assert token == encode(
        {"sub": PUBLIC, "name": "nod_a", "nats": {"type": "user"}}, seed=SEED, issued_at=1_700_000_000
    )


@pytest.mark.parametrize("text", ["", "no jwt", "a.b", "a.!.c"])
def test_what_is_no_jwt_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"JWT|Expecting"):
        claims_of(text)


@pytest.mark.parametrize("node_id", ["*", ">", "a.b", "", "a.>", "two words"])
def test_an_id_that_would_widen_what_a_node_may_is_refused(node_id: str) -> None:
    with pytest.raises(ValueError, match="part of a subject"):
        node_claims(node_id=node_id, user=PUBLIC, account="A")


def test_the_account_says_what_a_node_may_with_its_name_in_place_of_the_id() -> None:
    (scope,) = account_claims(account="A", node_key="K", revoked={})["nats"]["signing_keys"]
    expected = permissions_of(Service.NODE_AGENT, "nod_a")

    for said, subjects in (
        (scope["template"]["pub"], expected.publish),
        (scope["template"]["sub"], expected.subscribe),
    ):
        assert {subject.replace("{{name()}}", "nod_a") for subject in said["allow"]} == set(subjects)
    assert all("{{name()}}" in subject for subject in scope["template"]["pub"]["allow"])


def test_a_node_brings_no_permissions_of_its_own() -> None:
    assert set(node_claims(node_id="nod_a", user=PUBLIC, account="A")["nats"]) == {"issuer_account", "type", "version"}


def test_a_service_brings_those_of_the_registry() -> None:
    nats = service_claims(Service.ROUTER, user=PUBLIC)["nats"]

    assert nats["pub"]["allow"] == list(permissions_of(Service.ROUTER).publish)
    assert nats["sub"]["allow"] == list(permissions_of(Service.ROUTER).subscribe)


def test_the_schedulers_part_lacks_what_makes_services_and_operators() -> None:
    root = Root.new(lambda count: random.SystemRandom().randbytes(count))
    authority = root.node_authority(at=1)

    assert NodeAuthority.loads(authority.dumps()) == authority
    assert Root.loads(root.dumps()) == root
    for seed in (root.operator_seed, root.account_seed, root.system_seed):
        assert seed not in authority.dumps()


def test_a_damaged_authority_is_told() -> None:
    with pytest.raises(ValueError, match="no authority for nodes"):
        NodeAuthority.loads('{"account": "A"}')


def test_a_credentials_file_is_read_back() -> None:
    made = Credentials(seed=SEED, jwt="head.body.signature")

    assert Credentials.parse(made.dumps()) == made
    assert SEED not in repr(made)


def test_a_credentials_file_of_nats_own_tools_is_read() -> None:
    text = (
        "-----BEGIN NATS USER JWT-----\nhead.body.signature\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    )
    assert Credentials.parse(text) == Credentials(seed=SEED, jwt="head.body.signature")


def test_a_bare_seed_is_a_key_that_the_server_knows_itself() -> None:
    assert Credentials.parse(f"{SEED}\n") == Credentials(seed=SEED)


def test_half_a_credentials_file_is_told() -> None:
    with pytest.raises(ValueError, match="USER NKEY SEED"):
        Credentials.parse("-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n")


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
