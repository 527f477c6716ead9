"""Settings: from the environment only, and a mistake is one line that helps."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from roundhouse_common.service import ServiceSettings, SqlSettings, load_settings


class AgentSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_NODE_AGENT_")

    port: int = 8804
    heartbeat_interval_s: float = 3.0


class RecordSettings(SqlSettings):
    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_CATALOG_")

    port: int = 8801


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for prefix in ("ROUNDHOUSE_NODE_AGENT_", "ROUNDHOUSE_CATALOG_"):
        monkeypatch.setenv(f"{prefix}STATE_DIR", "/var/lib/somewhere")


def refusal(settings_type: type[ServiceSettings], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        load_settings(settings_type)
    assert caught.value.code == 2
    output = capsys.readouterr().err
    assert output.count("\n") == 1, "one line"
    return output.rstrip("\n")


def test_settings_come_from_the_environment_with_the_prefix_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_NODE_AGENT_HEARTBEAT_INTERVAL_S", "0.5")
    settings = load_settings(AgentSettings)
    assert (settings.heartbeat_interval_s, settings.state_dir) == (0.5, Path("/var/lib/somewhere"))


def test_unknown_variable_is_named_together_with_the_closest_known_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUNDHOUSE_NODE_AGENT_HEARTBEAT_INTERVALL_S", "5")
    assert refusal(AgentSettings, capsys) == (
        "node-agent: there is no setting ROUNDHOUSE_NODE_AGENT_HEARTBEAT_INTERVALL_S; "
        "did you mean ROUNDHOUSE_NODE_AGENT_HEARTBEAT_INTERVAL_S?"
    )


def test_variables_of_other_services_and_programs_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_ROUTER_SOMETHING", "1")
    monkeypatch.setenv("PORT", "1")
    assert load_settings(AgentSettings).port == 8804


def test_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("ROUNDHOUSE_NODE_AGENT_STATE_DIR")
    assert refusal(AgentSettings, capsys) == (
        "node-agent: ROUNDHOUSE_NODE_AGENT_STATE_DIR is not set, and it has no default"
    )


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PORT", "eighty", "valid integer"),
        ("PORT", "65536", "a port is between 0 and 65535"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("DRAIN_TIMEOUT_S", "-1", "greater than or equal to 0"),
    ],
)
def test_value_that_does_not_fit_is_explained(
    name: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"ROUNDHOUSE_NODE_AGENT_{name}", value)
    line = refusal(AgentSettings, capsys)
    assert line.startswith(f"node-agent: ROUNDHOUSE_NODE_AGENT_{name}: ")
    assert why in line


def test_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_NODE_AGENT_PORT", "")
    assert load_settings(AgentSettings).port == 8804


def test_instance_is_named_after_service_and_process() -> None:
    assert AgentSettings().instance.startswith("node-agent-")
    assert AgentSettings(instance="a1").instance == "a1"


def test_record_is_a_file_in_the_state_directory_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(RecordSettings).database_url == "sqlite+aiosqlite:////var/lib/somewhere/catalog.db"
    monkeypatch.setenv("ROUNDHOUSE_CATALOG_DATABASE_URL", "postgresql+asyncpg://u:hunter2@db/roundhouse")
    settings = load_settings(RecordSettings)
    assert settings.database_url == "postgresql+asyncpg://u:hunter2@db/roundhouse"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        ("short", 0o600, "at least 16 characters"),
        ("two words that are long", 0o600, "without spaces"),
        ("t" * 20, 0o644, "chmod 600"),
        ("\xe9" * 20, 0o600, "ASCII"),
        (None, 0o600, "cannot read"),
    ],
)
def test_a_file_that_holds_no_token_for_metrics_is_refused(
    content: str | None,
    mode: int,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content, encoding="utf-8")
        path.chmod(mode)
    monkeypatch.setenv("ROUNDHOUSE_NODE_AGENT_METRICS_TOKEN_FILE", str(path))
    with pytest.raises(SystemExit):
        load_settings(AgentSettings)
    said = capsys.readouterr().err
    assert complaint in said
    assert content is None or content not in said


def test_the_token_for_metrics_is_the_line_of_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("t" * 20 + "\n")
    path.chmod(0o600)
    monkeypatch.setenv("ROUNDHOUSE_NODE_AGENT_METRICS_TOKEN_FILE", str(path))
    assert load_settings(AgentSettings).metrics_token() == "t" * 20
