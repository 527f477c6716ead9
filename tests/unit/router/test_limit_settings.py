"""Where limits are counted, as a setting."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from roundhouse_router.domain.limits import RedisLostMode
from roundhouse_router.settings import RouterSettings


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every router must be told."""
    monkeypatch.setenv("ROUNDHOUSE_ROUTER_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("ROUNDHOUSE_ROUTER_NATS_URL", "nats://127.0.0.1:4222")


@pytest.mark.parametrize("url", ["", "redis://h:6379/0", "rediss://user:s3cr3t@h/1", "unix:///run/redis.sock"])
def test_addresses_of_redis(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_ROUTER_REDIS_URL", url)
    monkeypatch.setenv("ROUNDHOUSE_ROUTER_REDIS_LOST", "closed")
    settings = RouterSettings()
    assert settings.redis_url == url
    assert settings.redis_lost is RedisLostMode.CLOSED
    assert "s3cr3t" not in repr(settings)


@pytest.mark.parametrize("url", ["localhost:6379", "http://h", "redis://u:s3cr3t@h:port/0"])
def test_what_is_no_address_of_redis_is_refused_without_its_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_ROUTER_REDIS_URL", url)
    with pytest.raises(ValidationError) as refused:
        RouterSettings()
    [problem] = refused.value.errors(include_input=False, include_url=False)
    assert "redis://HOST:PORT/DB" in problem["msg"]
    assert "s3cr3t" not in str(problem)
