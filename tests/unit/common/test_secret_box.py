"""Sealed secrets: opened only with the file's keys, and moved from key to key without a gap."""

import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.secret_box import KeyFileFault, NoKeyOpens, SecretBox, SecretFile, new_secrets_key

SETTING = "ROUNDHOUSE_CATALOG_SECRETS_KEY_FILE"


def a_key() -> str:
    return new_secrets_key(secrets.token_bytes)


def written(path: Path, *lines: str, mode: int = 0o600) -> SecretFile:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(mode)
    return SecretFile(path, setting=SETTING)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_what_is_sealed_opens_and_never_shows(secret: str) -> None:
    box = SecretBox([new_secrets_key(lambda count: bytes(range(count)))])
    sealed = box.seal(secret)
    assert box.open(sealed) == secret
    assert len(secret) < 4 or secret not in sealed
    assert box.seal(secret) != sealed


def test_every_key_opens_and_the_first_seals() -> None:
    old, new = a_key(), a_key()
    before, during, after = SecretBox([old]), SecretBox([new, old]), SecretBox([new])
    sealed = before.seal("sk-old")
    assert during.open(sealed) == "sk-old"
    assert (during.is_current(sealed), before.is_current(sealed)) == (False, True)
    resealed = during.seal(during.open(sealed))
    assert during.is_current(resealed)
    assert after.open(resealed) == "sk-old"


def test_a_key_that_is_gone_opens_nothing() -> None:
    sealed = SecretBox([a_key()]).seal("sk-lost")
    with pytest.raises(NoKeyOpens, match="None of the 2 keys opens the secret"):
        SecretBox([a_key(), a_key()]).open(sealed)


@pytest.mark.parametrize("sealed", ["", "gAAAAA", "ü", "\ud800"])
def test_what_was_altered_does_not_open(sealed: str) -> None:
    with pytest.raises(NoKeyOpens):
        SecretBox([a_key()]).open(sealed)


def test_a_file_is_read_with_its_comments_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path, old, new = tmp_path / "keys", a_key(), a_key()
    file = written(path, "# made at the first start", old, "")
    sealed = file.box().seal("sk-one")
    assert file.box() is file.box()
    replacement = tmp_path / "next"
    written(replacement, new, old)
    replacement.replace(path)
    assert file.box().open(sealed) == "sk-one"
    assert not file.box().is_current(sealed)


def test_keys_as_openssl_writes_them_are_taken() -> None:
    box = SecretBox(["/" * 42 + "8="])
    assert box.open(box.seal("x")) == "x"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "keys", a_key(), mode=0o640)
    with pytest.raises(KeyFileFault, match=r"mode 640.*chmod 600"):
        file.box()


@pytest.mark.parametrize("lines", [[], ["# nothing"], ["password"], [a_key(), "é"]])
def test_a_file_without_good_keys_is_refused_without_showing_them(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(KeyFileFault) as refused:
        written(tmp_path / "keys", *lines).box()
    assert "password" not in str(refused.value)


def test_a_missing_file_and_a_missing_setting_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileFault, match=f"set {SETTING}"):
        SecretFile(None, setting=SETTING).box()
    with pytest.raises(KeyFileFault, match="No such file"):
        SecretFile(tmp_path / "none", setting=SETTING).box()


def test_a_box_does_not_print_its_keys(tmp_path: Path) -> None:
    key = a_key()
    file = written(tmp_path / "keys", key)
    assert key not in repr(file.box())
