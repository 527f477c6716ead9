"""What providers may be: addresses, headers and keys; and that keys stay where they were meant for."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain.provider_addresses import address_fault, header_fault, origin
from roundhouse_catalog.domain.providers import (
    MOST_KEYS,
    Provider,
    ProviderDraft,
    ProviderPatch,
    SealedKey,
    add_keys,
    create_provider,
    delete_provider,
    provider_record,
    remove_key,
    revise_provider,
    secret_fault,
    shown_ending,
)
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import UnixTime

NOW, LATER = UnixTime(1000.0), UnixTime(2000.0)


def a_key(number: int = 1) -> SealedKey:
    return SealedKey(key_id=f"pky_{number}", name="", sealed=f"sealed-{number}", last_four="1234", created_at=NOW)


def a_provider(*keys: SealedKey, **changes: Any) -> Provider:
    given_ = {"name": "together", "format": "openai", "base_url": "https://api.together.xyz/v1", "headers": {}}
    draft = ProviderDraft(**{**given_, **changes})
    return create_provider(draft, provider_id="prv_1", tenant_id="ten_a", keys=keys, now=NOW, actor="user:a")


@pytest.mark.contract("D21")
@pytest.mark.parametrize(
    "url",
    [
        "https://api.together.xyz/v1",
        "https://api.siliconflow.cn/v1/",
        "http://127.0.0.1:1234/v1",
        "http://localhost:11434",
        "http://[fd00::1]:8080/v1",
        "http://10.0.0.7:4000",
        "https://openrouter.ai/api/v1",
    ],
)
def test_addresses_of_providers_are_taken(url: str) -> None:
    assert address_fault(url) is None
    assert a_provider(base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "state an address"),
        ("api.example.com/v1", "state an address"),
        ("ftp://api.example.com", "state an address"),
        ("https://", "state an address"),
        ("https://user:hunter2@api.example.com", "credentials"),
        ("https://api.example.com/v1?key=hunter2", "query"),
        ("https://api.example.com/v1?", "query"),
        ("https://api.example.com/v1#x", "query"),
        ("https://api.example.com/v1/../admin", "upwards"),
        ("https://api.example.com:99999", "no address"),
        ("https://api.example.com:0", "state an address"),
        ("https://api.exämple.com", "ASCII"),
        ("https://api.example.com/a b", "ASCII"),
        ("http://169.254.169.254/latest", "credentials"),
        ("http://[::ffff:169.254.169.254]/", "credentials"),
        ("http://[fe80::1]/", "credentials"),
        ("http://[fd00:ec2::254]/", "credentials"),
        ("http://metadata.google.internal./x", "credentials"),
        ("http://0.0.0.0:80", "no host"),
        ("http://224.0.0.1", "no host"),
        ("https://[::1", "no address"),
    ],
)
def test_addresses_that_cannot_be_a_providers_are_refused_without_telling_secrets(url: str, word: str) -> None:
    fault = address_fault(url)
    assert fault is not None
    assert word in fault
    assert "hunter2" not in fault


@given(st.text(max_size=60))
def test_no_address_breaks_the_check(text: str) -> None:
    for url in (text, f"https://{text}"):
        if address_fault(url) is None:
            assert origin(url)[1]


@pytest.mark.parametrize(
    "name", ["Authorization", "x-api-key", "Cookie", "Host", "content-length", "bad name", "", "é"]
)
def test_headers_that_are_secrets_or_the_routers_own_are_refused(name: str) -> None:
    assert header_fault(name, "x") is not None


@pytest.mark.parametrize("value", ["a\r\nb", "é", " x", "x" * 3000])
def test_values_that_no_header_carries_are_refused(value: str) -> None:
    assert header_fault("http-referer", value) is not None
    assert header_fault("http-referer", "https://chat.example.com") is None


@pytest.mark.parametrize("secret", ["", " sk-1", "sk-1\n", "sk 1", "sk-é", "x" * 5000, "sk-\x7f"])
def test_secrets_that_no_header_carries_are_refused_without_being_shown(secret: str) -> None:
    fault = secret_fault(secret)
    assert fault is not None
    assert not secret.strip() or secret.strip() not in fault


def test_short_secrets_show_nothing() -> None:
    assert (shown_ending("sk-abcdefgh1234"), shown_ending("sk-ab")) == ("1234", "")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        a_provider(
            name="Not A Name",
            format="azure",
            base_url="x",
            headers={"cookie": "a"},
            features=("chatt",),
            in_flight_most=-1,
        )
    fields = {fault.field: fault.message for fault in refused.value.fields}
    assert set(fields) == {"name", "format", "base_url", "headers.cookie", "features.0", "in_flight_most"}
    assert 'Did you mean "chat"?' in fields["features.0"]


def test_keys_are_sent_to_no_host_that_they_were_not_given_for() -> None:
    provider = a_provider(a_key())
    for url in ("https://evil.example.com/v1", "http://api.together.xyz/v1", "https://api.together.xyz:444/v1"):
        with pytest.raises(InvalidInput, match="would go to another host"):
            revise_provider(provider, ProviderPatch(base_url=url), now=LATER, actor="user:b")
    moved = revise_provider(provider, ProviderPatch(base_url="https://api.together.xyz/v2/"), now=LATER, actor="user:b")
    assert (moved.base_url, moved.generation, moved.updated_by) == ("https://api.together.xyz/v2", 2, "user:b")
    without = remove_key(provider, "pky_1", now=LATER, actor="user:b")
    elsewhere = revise_provider(without, ProviderPatch(base_url="http://10.0.0.1"), now=LATER, actor="user:b")
    assert elsewhere.base_url == "http://10.0.0.1"


def test_what_changes_nothing_is_no_new_generation() -> None:
    provider = a_provider(a_key(), headers={"HTTP-Referer": "https://chat.example.com"})
    assert provider.headers == {"http-referer": "https://chat.example.com"}
    assert revise_provider(provider, ProviderPatch(in_flight_most=0), now=LATER, actor="user:b") is provider
    assert remove_key(provider, "pky_9", now=LATER, actor="user:b") is provider


def test_keys_come_and_go_one_by_one_up_to_a_bound() -> None:
    provider = add_keys(a_provider(a_key(1)), [a_key(2)], now=LATER, actor="user:b")
    assert [key.key_id for key in provider.keys] == ["pky_1", "pky_2"]
    full = replace(provider, keys=tuple(a_key(number) for number in range(MOST_KEYS)))
    with pytest.raises(InvalidInput, match="100 at most"):
        add_keys(full, [a_key(1000)], now=LATER, actor="user:b")


def test_routers_get_sealed_keys_and_a_tombstone_has_none() -> None:
    provider = a_provider(a_key(), headers={"x-team": "a"})
    assert [(key.key_id, key.sealed) for key in provider_record(provider).keys] == [("pky_1", "sealed-1")]
    gone = provider_record(delete_provider(provider, now=LATER, actor="user:b"))
    assert (gone.is_deleted, gone.keys, gone.headers) == (True, (), {})
