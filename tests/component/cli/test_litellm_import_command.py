"""`roundhouse routes import-litellm` against a scripted catalog."""

from pathlib import Path
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

PATH = "/api/v1/routes:import-litellm"
NONE: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}


def an_answer(*needed: str, is_dry_run: bool = True) -> dict[str, Any]:
    return {
        "is_dry_run": is_dry_run,
        "environment_needed": list(needed),
        "providers": {**NONE, "created": ["openai"]},
        "routes": {**NONE, "updated": ["chat"]},
        "limits": NONE,
        "lines": [
            {"path": "model_list[0]", "outcome": "taken", "detail": "the provider openai"},
            {"path": "general_settings.master_key", "outcome": "left_out", "detail": "API keys are made here"},
        ],
    }


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text("model_list: []\n")
    return str(path)


@pytest.mark.contract("D18")
def test_variables_come_from_the_commands_own_environment(
    roundhouse: Command, server: Scripted, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", PATH, an_answer("OPENAI_API_KEY"))
    server.on("POST", PATH, an_answer(is_dry_run=False))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-here")
    monkeypatch.setenv("UNRELATED_SECRET", "sk-unrelated")

    result = roundhouse("routes", "import-litellm", config)

    looked, done = (asked.body for asked in server.asked)
    assert (looked["is_dry_run"], looked["environment"]) == (True, {})
    assert (done["is_dry_run"], done["environment"]) == (False, {"OPENAI_API_KEY": "sk-from-here"})
    assert result.code == 0
    assert "Providers created: openai." in result.err
    assert "general_settings.master_key" in result.out
    assert "sk-from-here" not in result.out + result.err


def test_what_is_not_set_is_named_and_nothing_is_made(roundhouse: Command, server: Scripted, config: str) -> None:
    server.on("POST", PATH, an_answer("ROUNDHOUSE_TEST_NO_SUCH"))

    result = roundhouse.fails("routes", "import-litellm", config)

    assert "ROUNDHOUSE_TEST_NO_SUCH" in result.err
    assert [asked.body["is_dry_run"] for asked in server.asked] == [True]


def test_a_dry_run_goes_on_without_variables(roundhouse: Command, server: Scripted, config: str) -> None:
    server.on("POST", PATH, an_answer("ROUNDHOUSE_TEST_NO_SUCH"))

    result = roundhouse("routes", "import-litellm", config, "--dry-run")

    assert result.code == 0
    assert "Providers that would be created: openai." in result.err
    assert "Not set here: ROUNDHOUSE_TEST_NO_SUCH." in result.err
    assert all(asked.body["is_dry_run"] for asked in server.asked)


def test_keys_may_come_later(roundhouse: Command, server: Scripted, config: str) -> None:
    server.on("POST", PATH, an_answer("ROUNDHOUSE_TEST_NO_SUCH"))

    assert roundhouse("routes", "import-litellm", config, "--without-keys").code == 0
    assert server.asked[-1].body["allows_missing_keys"] is True


def test_a_file_that_is_not_there_is_named(roundhouse: Command, tmp_path: Path) -> None:
    assert "cannot be read" in roundhouse.fails("routes", "import-litellm", str(tmp_path / "none.yaml")).err
