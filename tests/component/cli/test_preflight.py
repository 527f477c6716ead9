"""What `up` refuses before anything is started, on the real file system and with real sockets."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roundhouse_cli.errors import Failure
from roundhouse_cli.local import demo, services
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.port_owner import owner
from roundhouse_cli.local.preflight import check_directory, check_disk, check_platform, check_ports
from roundhouse_cli.main import main
from tests.support.ports import free_ports

_SERVICES = 6


@pytest.fixture
def ports() -> Ports:
    """Neighbouring free ports."""
    return Ports(free_ports(_SERVICES))


@pytest.fixture
def listener(ports: Ports) -> Iterator[socket.socket]:
    """Something that listens where the scheduler wants to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", ports.services["scheduler"]))
        held.listen()
        yield held


def test_a_port_in_use_is_named_with_who_wants_it_and_who_has_it(ports: Ports, listener: socket.socket) -> None:
    with pytest.raises(Failure) as refused:
        check_ports(ports)

    message = str(refused.value)
    assert f"Port {ports.services['scheduler']} (wanted for scheduler, held by pid {os.getpid()}" in message
    assert "--base-port" in message
    assert str(ports.services["router"]) not in message


def test_free_ports_and_closing_connections_are_no_obstacle(ports: Ports) -> None:
    here = ("127.0.0.1", ports.base)
    with socket.create_server(here) as server, socket.create_connection(here):
        accepted, _ = server.accept()
        accepted.close()  # this side closes first: the port stays in TIME_WAIT

    check_ports(ports)


def test_nobody_owns_a_free_port(ports: Ports) -> None:
    assert owner(ports.base) is None


def test_a_directory_that_can_be_made_is_private(tmp_path: Path) -> None:
    check_directory(DataDir(tmp_path / "a" / "b"))

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/roundhouse", "file/below"])
def test_a_directory_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Failure, match=r"cannot be written: .*--data-dir") as refused:
        check_directory(DataDir(tmp_path / place))
    assert place in str(refused.value)


def test_a_full_disk_is_told_in_figures(tmp_path: Path) -> None:
    check_disk(DataDir(tmp_path / "not" / "yet"), needed_bytes=1)

    with pytest.raises(Failure, match=r"GiB free and 1048576.00 GiB are needed") as refused:
        check_disk(DataDir(tmp_path), needed_bytes=1024**5)
    assert str(tmp_path) in str(refused.value)


def test_other_systems_than_linux_are_told_so() -> None:
    check_platform("linux")

    with pytest.raises(Failure, match="runs on Linux; this is darwin"):
        check_platform("darwin")


def test_a_missing_nats_server_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Failure, match="roundhouse-cli\\[up\\]"):
        services.nats_server_program()


def test_a_missing_demo_model_is_told_with_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda _: None)

    with pytest.raises(Failure, match="--no-demo"):
        demo.model_file()


def test_up_refuses_in_one_line_and_starts_nothing(
    ports: Ports, listener: socket.socket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(("up", "--detach", "--data-dir", str(tmp_path / "data"), "--base-port", str(ports.base)))

    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert not (tmp_path / "data" / "run" / "plan").exists()


def test_down_of_nothing_says_so_and_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("down", "--data-dir", str(tmp_path / "data"))) == 0
    assert "Nothing runs" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
