"""Where an engine lives on this host: never in the agent's own environment unless that is where it was installed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

__all__ = ["EngineRuntime", "pick", "public_version", "version_key"]


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
    environment_id: str = ""
    """Of the environment that it belongs to; empty for one that was found."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it runs with, whatever it runs."""
    image: str = ""
    """The container image that it runs in; then interpreter and program are names inside of it."""

    def program_of(self, name: str) -> str:
        """Return its executable: the one that is known, else the one of this name beside its interpreter."""
        return self.program or (str(PurePosixPath(self.python).with_name(name)) if self.python else name)


def public_version(version: str) -> str:
    """Return a version without what is said of its build: `0.32.0` of `0.32.0+cpu`."""
    return version.partition("+")[0]


def version_key(version: str) -> tuple[tuple[int, ...], bool]:
    """Return what versions are ordered by: their numbers, and releases after what was tried before them."""
    public = public_version(version)
    release = re.split(r"(?:a|b|rc|\.?dev)\d", public, maxsplit=1)[0]
    return tuple(int(number) for number in re.findall(r"\d+", release)), release == public


def pick(runtimes: Iterable[EngineRuntime], kind: str, version: str) -> EngineRuntime | None:
    """Return the runtime of this kind and version, or without a version the newest; of equals the last one."""
    known = [one for one in runtimes if one.kind == kind]
    if version:
        known = [one for one in known if one.version == public_version(version)]
    return max(enumerate(known), key=lambda found: (version_key(found[1].version), found[0]))[1] if known else None
