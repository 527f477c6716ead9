"""Secrets of API keys."""

import hashlib
import random
import re
import secrets

import pytest

from roundhouse_common.auth import hash_api_key, new_api_key


@pytest.mark.contract("E04")
def test_key_is_a_prefix_and_256_random_bits() -> None:
    keys = {new_api_key(secrets.token_bytes) for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"rh-[A-Za-z0-9_-]{43}", key) for key in keys)


def test_same_randomness_gives_the_same_key() -> None:
    assert new_api_key(random.Random(7).randbytes) == new_api_key(random.Random(7).randbytes)


def test_only_the_digest_of_the_whole_secret_is_kept() -> None:
    assert hash_api_key("rh-abc") == hashlib.sha256(b"rh-abc").hexdigest()
