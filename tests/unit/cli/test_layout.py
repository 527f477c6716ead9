"""Where a local Roundhouse keeps what, and on which ports."""

from pathlib import Path

import pytest

from roundhouse_cli.errors import UsageFault
from roundhouse_cli.local.layout import Ports, default_data_dir


def test_the_ports_follow_the_base() -> None:
    assert Ports.checked(8800).services == {
        "router": 8800,
        "catalog": 8801,
        "scheduler": 8802,
        "metering": 8803,
        "node-agent": 8804,
        "nats": 8805,
        "console": 8806,
    }
    assert Ports.checked(8800).engines == (8900, 9799)


@pytest.mark.parametrize("base", [0, -1, 64_537, 70_000])
def test_a_base_without_room_above_it_is_refused(base: int) -> None:
    with pytest.raises(UsageFault, match="--base-port"):
        Ports.checked(base)


def test_the_data_lies_in_the_checkout_from_wherever_the_command_is_typed(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    source = checkout / "cli" / "roundhouse_cli" / "local" / "layout.py"
    source.parent.mkdir(parents=True)
    (checkout / "cli" / "pyproject.toml").touch()
    (checkout / "scripts").mkdir()
    (checkout / "scripts" / "up").touch()

    assert default_data_dir(elsewhere, source) == checkout / ".roundhouse"


def test_the_data_lies_here_when_the_command_is_installed_elsewhere(tmp_path: Path) -> None:
    installed = tmp_path / "lib" / "site-packages" / "roundhouse_cli" / "local" / "layout.py"

    assert default_data_dir(tmp_path / "here", installed) == tmp_path / "here" / ".roundhouse"
