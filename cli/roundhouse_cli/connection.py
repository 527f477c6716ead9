"""How a command finds its Roundhouse: `--url`, the environment, or `.roundhouse/connection.json` upward from here."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.local.files import write_private
from roundhouse_cli.local.layout import CONSOLE, Ports, default_data_dir

__all__ = ["Connection", "find_connection"]

_SAVED = ("router_url", "catalog_url", "scheduler_url", "metering_url", "api_key")
_FILE = Path(".roundhouse") / "connection.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the services are and how to speak to them."""

    router_url: str
    catalog_url: str
    scheduler_url: str
    metering_url: str
    console_url: str = ""
    """Empty: there is none, or the file was written before there was one."""
    api_key: str = field(default="", repr=False)
    source: Path | None = None
    """The file it was read from; not saved."""

    @classmethod
    def of_ports(
        cls, ports: Ports, *, host: str = "127.0.0.1", api_key: str = "", source: Path | None = None
    ) -> "Connection":
        """Return the connection to a Roundhouse that listens on the ports of `roundhouse up`."""
        bracketed = f"[{host}]" if ":" in host else host

        def url(service: str) -> str:
            return f"http://{bracketed}:{ports.services[service]}"

        return cls(
            router_url=url("router"),
            catalog_url=url("catalog"),
            scheduler_url=url("scheduler"),
            metering_url=url("metering"),
            console_url=url(CONSOLE) if ports.has_console else "",
            api_key=api_key,
            source=source,
        )

    @property
    def secrets_dir(self) -> Path | None:
        """The secrets of the data directory that the connection file lies in, when this user can read them."""
        directory = None if self.source is None else self.source.parent / "secrets"
        return directory if directory is not None and os.access(directory / "token-private.json", os.R_OK) else None

    @property
    def host(self) -> str:
        """The host of the platform."""
        return urlsplit(self.router_url).hostname or ""

    @classmethod
    def nowhere(cls) -> "Connection":
        """Return a connection to nothing, for who asks only addresses of its own."""
        return cls(router_url="", catalog_url="", scheduler_url="", metering_url="")

    @classmethod
    def load(cls, path: Path) -> "Connection":
        """Read a connection file. Raises Failure naming the file and what is wrong with it."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            console_url = str(found.get("console_url", ""))
            return cls(**{name: str(found[name]) for name in _SAVED}, console_url=console_url, source=path)
        except OSError as error:
            raise Failure(f"The connection file {path} cannot be read: {error.strerror}.") from error
        except KeyError as error:
            raise Failure(f"The connection file {path} lacks {error}; `roundhouse up` writes it anew.") from error
        except (ValueError, TypeError) as error:
            raise Failure(f"The connection file {path} is not valid JSON; `roundhouse up` writes it anew.") from error

    def save(self, path: Path) -> None:
        saved = {name: getattr(self, name) for name in (*_SAVED, "console_url")}
        write_private(path, json.dumps(saved, indent=2) + "\n")


def find_connection(url: str, environment: Mapping[str, str], cwd: Path) -> Connection:
    """Return the connection to use, or raise a CliError that says how to name one."""
    if url := url or environment.get("ROUNDHOUSE_URL", ""):
        return _of_url(url, environment)
    if named := environment.get("ROUNDHOUSE_CONNECTION"):
        return Connection.load(Path(named))
    for candidate in _candidates(cwd):
        if candidate.is_file():
            return Connection.load(candidate)
    raise Failure(
        "No Roundhouse found: there is no .roundhouse/connection.json here or above."
        " Start one with `roundhouse up`, or name one with --url or ROUNDHOUSE_CONNECTION."
    )


def _candidates(cwd: Path) -> Iterator[Path]:
    for directory in (cwd, *cwd.parents):
        yield directory / _FILE
    yield default_data_dir(cwd) / _FILE.name


def _of_url(url: str, environment: Mapping[str, str]) -> Connection:
    """Take the router's address; the other services are on the ports after it, as `roundhouse up` lays them out.

    Any other layout needs a connection file. Credentials come from the environment only: those of a file belong to
    that file's server.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise UsageFault(
            f"--url {url} is not of the form http://HOST:PORT of a router; for other layouts write a connection file"
            " and name it in ROUNDHOUSE_CONNECTION."
        )
    return Connection.of_ports(
        Ports(parts.port),
        host=parts.hostname,
        api_key=environment.get("ROUNDHOUSE_API_KEY", ""),
    )
