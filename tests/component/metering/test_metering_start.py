"""A start that cannot work ends with one line that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse_common.auth.tokens import generate_keypair


def run(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDHOUSE_")}
    environment |= {f"ROUNDHOUSE_METERING_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "roundhouse_metering", *arguments],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


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
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    (tmp_path / "key.json").write_text(generate_keypair()[1])
    ended = run(tmp_path, **settings)
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_unknown_argument_shows_the_usage(tmp_path: Path) -> None:
    ended = run(tmp_path, "opanapi")
    assert (ended.returncode, ended.stderr) == (2, "usage: python -m roundhouse_metering [openapi]\n")
