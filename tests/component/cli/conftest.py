"""The command, run in this process against a scripted server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from roundhouse_cli.connection import Connection
from roundhouse_cli.main import main
from tests.component.cli.scripted_server import Scripted, scripted_server


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # Any: a JSON document
        return json.loads(self.out)


@dataclass(frozen=True)
class Command:
    """Runs `roundhouse ARGS`; every service is the scripted server."""

    server: Scripted
    captured: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Result:
        self.captured.readouterr()
        code = main(arguments)
        out, err = self.captured.readouterr()
        return Result(code, out, err)

    def fails(self, *arguments: str) -> Result:
        """Run a command that must fail with one line and no traceback."""
        result = self(*arguments)
        assert result.code != 0
        assert len(result.err.strip().splitlines()) == 1, result.err
        assert result.err.startswith("roundhouse: ")
        return result


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def roundhouse(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    connect(server.url, tmp_path, monkeypatch)
    return Command(server, capsys)


def connect(url: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find every service at the url."""
    file = directory / "connection.json"
    Connection(router_url=url, catalog_url=url, scheduler_url=url, metering_url=url, api_key="rh-key").save(file)
    monkeypatch.delenv("ROUNDHOUSE_URL", raising=False)
    monkeypatch.setenv("ROUNDHOUSE_TOKEN", "token")
    monkeypatch.setenv("ROUNDHOUSE_CONFIG_DIR", str(directory / "config"))
    monkeypatch.setenv("ROUNDHOUSE_CONNECTION", str(file))
