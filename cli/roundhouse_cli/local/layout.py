"""Where a local Roundhouse keeps what, and on which ports it listens."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from roundhouse_cli.errors import UsageFault

__all__ = ["ANY_ADDRESS", "CONSOLE", "DEFAULT_BASE_PORT", "LOOPBACK", "DataDir", "Ports", "default_data_dir"]

DEFAULT_BASE_PORT = 8800
LOOPBACK = "127.0.0.1"
CONSOLE = "console"
"""No part of the bus, so no service of the contracts: it asks the others as any client does."""
ANY_ADDRESS = "0.0.0.0"
_ENGINE_PORTS_FROM = 100
_ENGINE_PORTS_TO = 999
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class DataDir:
    """The paths below one data directory."""

    path: Path

    @property
    def run(self) -> Path:
        """Records of the running processes."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def nats(self) -> Path:
        return self.path / "nats"

    @property
    def connection(self) -> Path:
        """What clients need, also the command line: addresses, the first API key, an administrator's token."""
        return self.path / "connection.json"

    @property
    def plan(self) -> Path:
        """What the supervisor runs."""
        return self.run / "plan"

    def state(self, service: str) -> Path:
        """Return the private directory of one service."""
        return self.path / service

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one local Roundhouse: a few above the base, and a range for engines."""

    base: int
    listen: str = LOOPBACK
    """The address of this host that everything listens on; 0.0.0.0 is all of them."""
    has_console: bool = True

    @property
    def is_open(self) -> bool:
        """Whether other hosts can reach it."""
        return not ipaddress.ip_address(self.listen).is_loopback

    @property
    def host(self) -> str:
        """Where this host itself reaches what listens."""
        return LOOPBACK if ipaddress.ip_address(self.listen).is_unspecified else self.listen

    @property
    def services(self) -> dict[str, int]:
        """Return the port of every process, in the order of their numbers."""
        names = ("router", "catalog", "scheduler", "metering", "node-agent", "nats")
        return {name: self.base + offset for offset, name in enumerate((*names, *[CONSOLE] * self.has_console))}

    @property
    def engines(self) -> tuple[int, int]:
        """Return the first and last port that engines may get."""
        return self.base + _ENGINE_PORTS_FROM, self.base + _ENGINE_PORTS_TO

    def url(self, service: str) -> str:
        return f"http://{self.host}:{self.services[service]}"

    @classmethod
    def checked(cls, base: int, listen: str = LOOPBACK, *, has_console: bool = True) -> "Ports":
        """Return the ports, or raise UsageFault when they do not fit into the range of ports or the address is none."""
        highest = _LAST_PORT - _ENGINE_PORTS_TO
        if not 1 <= base <= highest:
            raise UsageFault(f"--base-port {base} leaves no room for the engines' ports; use 1 to {highest}.")
        try:
            ipaddress.IPv4Address(listen)
        except ValueError as error:
            raise UsageFault(
                f"--listen {listen} is no IPv4 address of this host, such as 10.0.0.5 or 0.0.0.0."
            ) from error
        return cls(base, listen, has_console)


def default_data_dir(cwd: Path, source: Path = Path(__file__)) -> Path:
    """Return `.roundhouse` in the checkout this file belongs to, or in `cwd` when it is installed elsewhere."""
    checkout = source.resolve().parents[3]
    is_checkout = (checkout / "scripts" / "up").is_file() and (checkout / "cli" / "pyproject.toml").is_file()
    return (checkout if is_checkout else cwd) / ".roundhouse"
