"""Keys: the secret leaves no trace but its digest, its beginning and its end."""

import pytest

from roundhouse_catalog.domain.keys import ApiKey, KeyDraft, NewSecret, create_key, revoke_key
from roundhouse_catalog.domain.records import key_record
from roundhouse_common.auth import hash_api_key, new_api_key
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import KeyId, UnixTime
from tests.unit.catalog.builders import NOW

SECRET = new_api_key(bytes)


def a_key(draft: KeyDraft, known: set[str] | None = None) -> ApiKey:
    return create_key(
        draft,
        key_id=KeyId("key_1"),
        tenant_id="ten_default",
        user_id="usr_admin",
        secret=NewSecret(text=SECRET, sha256=hash_api_key(SECRET)),
        known_deployments=known or set(),
        now=NOW,
    )


@pytest.mark.contract("E04")
def test_a_key_keeps_the_digest_and_not_the_secret() -> None:
    key = a_key(KeyDraft(name="laptop"))
    assert SECRET not in repr(key)
    assert SECRET not in repr(key_record(key))
    assert key_record(key).sha256 == hash_api_key(SECRET)
    assert (key.prefix, key.last_four) == (SECRET[:7], SECRET[-4:])


@pytest.mark.contract("B11")
def test_a_key_may_be_for_named_deployments_that_exist() -> None:
    assert a_key(KeyDraft(name="x", deployment_ids=("dep_1", "dep_1")), {"dep_1"}).deployment_ids == ("dep_1",)
    with pytest.raises(InvalidInput, match=r'deployment_ids\.1: there is no deployment with the id "dep_2"'):
        a_key(KeyDraft(name="x", deployment_ids=("dep_1", "dep_2")), {"dep_1"})


def test_a_key_that_expires_in_the_past_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is not after now"):
        a_key(KeyDraft(name="x", expires_at=UnixTime(NOW)))


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 101])
def test_a_key_needs_a_name_that_can_be_shown(name: str) -> None:
    with pytest.raises(InvalidInput, match="name: "):
        a_key(KeyDraft(name=name))


def test_revoking_twice_keeps_the_first_time() -> None:
    revoked = revoke_key(a_key(KeyDraft(name="x")), now=UnixTime(NOW + 1))
    assert revoke_key(revoked, now=UnixTime(NOW + 2)) is revoked
    assert key_record(revoked).is_revoked
