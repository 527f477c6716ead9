"""A start that cannot work ends with one line that says what to do."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse_common.auth.tokens import generate_keypair


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "ROUNDHOUSE_METERING_STATE_DIR is not set"),
        ({"STATE_DIR": "s"}, "ROUNDHOUSE_METERING_TOKEN_PUBLIC_KEY_FILE is not set"),
        ({"STATE_DIR": "s", "TOKEN_PUBLIC_KEY_FILE": "gone.json"}, "gone.json"),
        ({"STATE_DIR": "s", "BATCH_SIZE": "0"}, "ROUNDHOUSE_METERING_BATCH_SIZE"),
        ({"STATE_DIR": "s", "BATCHSIZE": "1"}, "ROUNDHOUSE_METERING_BATCHSIZE"),
        ({"STATE_DIR": "s", "TOKEN_PUBLIC_KEY_FILE": "key.json", "DATABASE_URL": "mysql://x"}, "database_url must"),
    ],
)
def test_wrong_settings_end_with_code_2_and_name_the_setting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    said: str,
) -> None:
    (tmp_path / "key.json").write_text(generate_keypair()[1])
    for name in [name for name in os.environ if name.startswith("ROUNDHOUSE_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"ROUNDHOUSE_METERING_{name}", value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["roundhouse_metering"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("roundhouse_metering", run_name="__main__")
    said_at_all = capsys.readouterr().err
    assert ended.value.code == 2, said_at_all
    assert said in said_at_all
    assert said_at_all.count("\n") == 1


def test_an_unknown_argument_shows_the_usage(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "roundhouse_metering", "opanapi"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (2, "usage: python -m roundhouse_metering [openapi]\n")
