"""What a host that has joined keeps: its credentials, the agent's settings, the agent's own state."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roundhouse_cli.errors import Failure
from roundhouse_cli.local.files import private_dir, write_private

__all__ = ["NodeHome", "default_home"]

_PREFIX = "ROUNDHOUSE_NODE_AGENT_"
_ROOT = 0


def default_home(environment: Mapping[str, str], user_id: int) -> Path:
    """Return where a node keeps its things: /var/lib for root, else below the user's state directory."""
    if user_id == _ROOT:
        return Path("/var/lib/roundhouse/node")
    state = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "")) / ".local" / "state")
    return Path(state) / "roundhouse" / "node"


@dataclass(frozen=True, slots=True)
class NodeHome:
    """The directory of one node (mode 700)."""

    path: Path

    @property
    def credentials(self) -> Path:
        """What the agent connects to NATS with. Its secret key was made here and never left."""
        return self.path / "nats.creds"

    @property
    def joining(self) -> Path:
        """The key of a join that has not ended: asking again after a lost answer uses the same."""
        return self.path / "joining.json"

    @property
    def environment_file(self) -> Path:
        return self.path / "node.env"

    @property
    def state(self) -> Path:
        """The agent's own directory."""
        return self.path / "state"

    @property
    def run(self) -> Path:
        """The record of an agent in the background."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """What an agent in the background says."""
        return self.path / "agent.log"

    def write_environment(self, settings: Mapping[str, object]) -> None:
        """Write the agent's settings, a variable a line, as a shell and systemd read them."""
        lines = (f"{_PREFIX}{name}={shlex.quote(str(value))}\n" for name, value in settings.items())
        write_private(self.environment_file, "".join(lines))

    def settings(self) -> dict[str, str]:
        """Return the agent's settings without their prefix; nothing before the first join."""
        try:
            text = self.environment_file.read_text(encoding="utf-8")
        except OSError:
            return {}
        pairs = (line.partition("=") for line in text.splitlines() if line.startswith(_PREFIX))
        return {name.removeprefix(_PREFIX): "".join(shlex.split(value)) for name, _, value in pairs}

    def environment(self) -> dict[str, str]:
        """Return what the agent is run with; the shell's own variables go before the file's. Raises Failure."""
        settings = self.settings()
        if not settings or not self.credentials.exists():
            raise Failure(
                f"This host has not joined: {self.path} holds no credentials. Make a token with"
                " `roundhouse nodes join-token` on the platform, then `roundhouse node join URL --token T` here."
            )
        return {**{_PREFIX + name: value for name, value in settings.items()}, **os.environ}

    def make(self) -> None:
        """Make the directory, private. Raises Failure."""
        try:
            private_dir(self.path)
        except OSError as error:
            raise Failure(
                f"{self.path} cannot be written: {error.strerror}. Choose another with --state-dir."
            ) from error
