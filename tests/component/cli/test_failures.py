"""How commands end when they cannot do what was asked: one line, an exit code, never a traceback."""

from pathlib import Path

import pytest

from roundhouse_cli.main import main
from tests.component.cli.conftest import Command, connect
from tests.component.cli.scripted_server import Scripted
from tests.support.ports import free_port


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let commands find a server that does not run; its url."""
    url = f"http://127.0.0.1:{free_port()}"
    connect(url, tmp_path, monkeypatch)
    return url


@pytest.mark.parametrize(
    "arguments",
    [
        ("ps",),
        ("nodes", "ls"),
        ("models", "ls"),
        ("deployments", "ls"),
        ("keys", "ls"),
        ("usage",),
        ("deploy", "tiny"),
        ("chat", "tiny", "hello"),
        ("admin", "dlq", "ls"),
        ("admin", "rebuild-bus"),
    ],
)
def test_a_server_that_does_not_run_is_exit_code_3(
    nobody: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code = main(arguments)

    captured = capsys.readouterr()
    assert code == 3
    assert nobody in captured.err
    assert "roundhouse up" in captured.err
    assert len(captured.err.strip().splitlines()) == 1


def test_status_of_nothing_is_a_table_and_exit_code_3(nobody: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(("status",))

    captured = capsys.readouterr()
    assert code == 3
    assert captured.out.count("unreachable") == 4


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("nonsense",), "nonsense"),
        (("deploy",), "MODEL"),
        (("ps", "--nonsense"), "--nonsense"),
        (("deployments", "scale", "tiny", "many"), "replicas"),
        (("deploy", "tiny", "--set", "parallel"), "--set parallel"),
        (("deploy", "tiny", "--memory", "lots"), "lots"),
        (("usage", "--since", "yesterday"), "yesterday"),
        (("models", "add", "tiny"), "--path"),
        (("ps", "--url", "nowhere"), "--url nowhere"),
        (("up", "--base-port", "65000"), "--base-port 65000"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_what_is_wrong(
    roundhouse: Command, server: Scripted, arguments: tuple[str, ...], what: str
) -> None:
    server.items("/api/v1/models", {"id": "mdl_1111", "name": "tiny"})

    result = roundhouse.fails(*arguments)

    assert result.code == 2
    assert what in result.err


def test_a_name_that_nothing_has_is_exit_code_1(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/deployments")

    assert roundhouse.fails("deployments", "stop", "tiny").code == 1


def test_refused_credentials_say_where_they_come_from(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/models", {"detail": "The access token has expired."}, status=401)

    result = roundhouse.fails("models", "ls")

    assert result.code == 1
    assert "roundhouse login" in result.err


def test_what_is_not_a_roundhouse_is_said(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/models", b"<html>hello</html>", headers={"content-type": "text/html"})

    assert "is not the catalog of a Roundhouse" in roundhouse.fails("models", "ls").err


def test_an_answer_of_unknown_shape_is_one_line_too(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/models", {"items": [{"id": "mdl_1"}], "next_cursor": None})

    assert "This is a defect" in roundhouse.fails("models", "ls").err


def test_no_connection_file_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROUNDHOUSE_CONNECTION", str(tmp_path / "missing.json"))

    assert main(("ps",)) == 1
    assert "missing.json" in capsys.readouterr().err
