"""The router's keys of providers: opened in memory only, and errors that do not blame the caller."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from roundhouse_common.contracts.routing import ProviderFormat, ProviderKey, ProviderRecord
from roundhouse_common.secret_box import SecretBox, SecretFile, new_secrets_key
from roundhouse_router.providers.errors import CredentialsExhausted, ProviderLimited
from roundhouse_router.providers.keys import KeyVerdict, ProviderKeys
from roundhouse_router.providers.metrics import ProviderKeyMetrics

KEY = new_secrets_key(lambda count: b"k" * count)
BOX = SecretBox([KEY])
FIRST, SECOND = "sk-first-secret-1234", "sk-second-secret-5678"


class Router:
    """Keys with their registry and file."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "secrets.keys"
        self.file.touch(mode=0o600)
        self.file.write_text(KEY + "\n")
        self.registry = CollectorRegistry()
        secrets = SecretFile(self.file, setting="ROUNDHOUSE_ROUTER_SECRETS_KEY_FILE")
        self.keys = ProviderKeys(secrets, ProviderKeyMetrics(self.registry))

    def resting(self, kind: str) -> float | None:
        labels = {"provider": "together", "kind": kind}
        return self.registry.get_sample_value("roundhouse_router_provider_keys_resting", labels)


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path)


def a_provider(*secrets: str, **changes: Any) -> ProviderRecord:
    keys = tuple(ProviderKey(key_id=f"pky_{one[-4:]}", sealed=BOX.seal(one)) for one in secrets)
    record = ProviderRecord(
        provider_id="prv_1",
        name="together",
        tenant_id="",
        format=ProviderFormat.OPENAI,
        base_url="https://api.together.xyz/v1",
        keys=keys,
    )
    return msgspec.structs.replace(record, **changes)


def test_a_limited_key_gives_way_to_the_next(router: Router) -> None:
    provider = a_provider(FIRST, SECOND)
    first = router.keys.take(provider, "m", 0.0)
    assert first.secret == FIRST
    assert router.keys.answered(first, 429, {b"retry-after": b"5"}, 0.0) is KeyVerdict.LIMITED
    second = router.keys.take(provider, "m", 0.0, [first.key_id])
    assert second.secret == SECOND
    assert router.keys.answered(second, 200, {}, 0.1) is KeyVerdict.GOOD
    assert (router.resting("limited"), router.resting("refused")) == (1, 0)


def test_when_all_are_limited_the_caller_learns_when_to_come_back(router: Router) -> None:
    provider = a_provider(FIRST, SECOND)
    for pause in (b"30", b"2.5"):
        router.keys.answered(router.keys.take(provider, "m", 0.0), 429, {b"retry-after": pause}, 0.0)
    with pytest.raises(ProviderLimited) as limited:
        router.keys.take(provider, "m", 0.2)
    assert (limited.value.status, limited.value.error_code) == (429, "upstream_rate_limited")
    assert limited.value.headers == ((b"retry-after", b"3"), (b"retry-after-ms", b"2300"))


def test_when_all_are_refused_the_callers_key_is_not_blamed(router: Router) -> None:
    provider = a_provider(FIRST)
    with capture_logs() as logs:
        router.keys.answered(router.keys.take(provider, "m", 0.0), 401, {}, 0.0)
        with pytest.raises(CredentialsExhausted) as exhausted:
            router.keys.take(provider, "m", 1.0)
    assert (exhausted.value.status, exhausted.value.error_code) == (502, "upstream_credentials_exhausted")
    assert "not about your own key" in exhausted.value.message
    assert router.resting("refused") == 1
    assert [entry["event"] for entry in logs] == ["provider_key_refused"]
    said = repr(logs) + exhausted.value.body().decode() + generate_latest(router.registry).decode()
    assert FIRST not in said
    assert provider.keys[0].sealed not in said


def test_a_secret_is_opened_once_and_shows_nowhere(router: Router) -> None:
    provider = a_provider(FIRST)
    key = router.keys.take(provider, "m", 0.0)
    router.file.unlink()
    assert router.keys.take(provider, "m", 0.0).secret == FIRST
    assert FIRST not in repr(key) + repr(router.keys._by_provider)


def test_a_key_that_cannot_be_opened_gives_way_and_is_told_once(router: Router) -> None:
    foreign = ProviderKey(key_id="pky_foreign", sealed=SecretBox([new_secrets_key(lambda n: b"x" * n)]).seal("sk"))
    provider = a_provider(SECOND)
    provider = msgspec.structs.replace(provider, keys=(foreign, *provider.keys))
    with capture_logs() as logs:
        assert [router.keys.take(provider, "m", 0.0).secret for _ in range(3)] == [SECOND] * 3
    assert [entry["event"] for entry in logs] == ["provider_key_sealed"]
    assert router.resting("refused") == 1


def test_without_a_file_of_keys_no_key_can_be_used(router: Router) -> None:
    router.file.unlink()
    with capture_logs() as logs, pytest.raises(CredentialsExhausted):
        router.keys.take(a_provider(FIRST, SECOND), "m", 0.0)
    assert len(logs) == 2
    router.file.touch(mode=0o600)
    router.file.write_text(KEY + "\n")
    assert router.keys.take(a_provider(FIRST), "m", 31.0).secret == FIRST


def test_a_provider_without_keys_is_asked_without_one(router: Router) -> None:
    provider = a_provider()
    key = router.keys.take(provider, "m", 0.0)
    assert (key.secret, key.key_id) == ("", "")
    router.keys.answered(key, 429, {b"retry-after": b"4"}, 0.0)
    with pytest.raises(ProviderLimited):
        router.keys.take(provider, "m", 1.0)
    assert router.keys.take(provider, "m", 4.1).secret == ""


def test_a_new_key_is_used_at_once_and_a_removed_one_no_more(router: Router) -> None:
    before, after = a_provider(FIRST), a_provider(SECOND)
    router.keys.answered(router.keys.take(before, "m", 0.0), 401, {}, 0.0)
    assert router.keys.take(after, "m", 0.0).secret == SECOND
    assert router.keys.take(msgspec.structs.replace(after), "m", 0.0).secret == SECOND
    assert FIRST not in str(router.keys._by_provider["prv_1"].opened)


def test_resealing_a_key_does_not_end_its_rest(router: Router) -> None:
    router.keys.answered(router.keys.take(a_provider(FIRST), "m", 0.0), 401, {}, 0.0)
    with pytest.raises(CredentialsExhausted):
        router.keys.take(a_provider(FIRST), "m", 1.0)


def test_what_is_gone_is_forgotten(router: Router) -> None:
    key = router.keys.take(a_provider(FIRST), "m", 0.0)
    router.keys.answered(key, 429, {b"retry-after": b"9"}, 0.0)
    router.keys.refresh({"prv_1"}, 10.0)
    assert router.resting("limited") == 0
    router.keys.refresh(set(), 10.0)
    assert router.resting("limited") is None
    assert router.keys.answered(key, 401, {}, 11.0) is KeyVerdict.GOOD
