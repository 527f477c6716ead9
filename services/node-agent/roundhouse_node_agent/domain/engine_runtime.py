"""Where an engine lives on this host: never in the agent's own environment unless that is where it was installed."""

from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = ["EngineRuntime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRuntime:
    """One installation of one engine. An engine that needs neither a program nor an interpreter has neither."""

    kind: str
    """The value of `EngineKind`."""
    version: str = ""
    """As the engine states it; empty when it does not."""
    python: str = ""
    """The interpreter whose environment has the engine."""
    program: str = ""
    """Its executable."""
    origin: str = ""
    """Where it was found, in words."""

    def program_of(self, name: str) -> str:
        """Return its executable: the one that is known, else the one of this name beside its interpreter."""
        return self.program or (str(PurePosixPath(self.python).with_name(name)) if self.python else name)
