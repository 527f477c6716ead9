"""The steps of an installation: commands, rendered from a build and a place. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundhouse_node_agent.environments.recipe import Build

__all__ = ["VERIFYING", "Step", "Tools", "installation", "python_for"]

VERIFYING: Final = "verifying"
_WITHIN_S: Final = 60.0
_STUB: Final = """
import pathlib, sys, sysconfig
name, version = sys.argv[1:]
place = pathlib.Path(sysconfig.get_path("purelib"), f"{name}-{version}.dist-info")
place.mkdir(exist_ok=True)
(place / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
(place / "INSTALLER").write_text("roundhouse\\n")
"""
_REFUSE: Final = """
import fnmatch, importlib.metadata as metadata, sys
names = {(one.metadata["Name"] or "").lower().replace("_", "-"): one for one in metadata.distributions()}
wrong = sorted(name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in sys.argv[2:]))
wrong = [name for name in wrong if name not in sys.argv[1].split(",")]
if wrong:
    sys.exit(f"error: packages for other devices came in: {', '.join(wrong)}")
"""
_HARMLESS: Final = "nvidia-ml-py"
"""A reader of NVIDIA's library, which is small and does nothing without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of an installation, with its whole environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What installations are made with on this node."""

    uv: str
    python: str
    """The agent's own interpreter."""
    python_version: tuple[int, int]
    uv_environment: Mapping[str, str]
    """Where packages come from: may hold credentials, and goes to uv only."""
    environment: Mapping[str, str]
    """What every command gets: PATH and a few like it."""
    has_own_torch: bool
    """Whether a place of the operator's has torch: then uv's is not asked."""
    within_s: float


def installation(build: Build, directory: Path, tools: Tools) -> tuple[Step, ...]:
    """Return the steps that make the environment in `directory`, which is new and has room for it.

    `directory` keeps uv's cache while it is made: on the same file system, files are linked, not copied.
    """
    variant, env = build.variant, str(directory / "env")
    python = f"{env}/bin/python"
    for_uv = {
        **tools.environment,
        **tools.uv_environment,
        "UV_CACHE_DIR": str(directory / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_COLOR": "1",
    }
    install = [tools.uv, "pip", "install", "--python", python]
    if build.pins is not None:
        install += ["--constraints", str(build.pins)]
    if variant.excluded:
        install += ["--excludes", str(directory / "excludes.txt")]
    if variant.torch and not tools.has_own_torch:
        install += ["--torch-backend", variant.torch]
    install += [package.replace("{version}", build.version) for package in variant.packages]
    venv = (tools.uv, "venv", "--clear", "--python", python_for(build, tools), env)
    verification = tuple(
        word.replace("{python}", python).replace("{bin}", f"{env}/bin") for word in variant.verification
    )
    engine_environment = {**tools.environment, **variant.environment}
    steps = [
        Step(name="making the environment", argv=venv, env=for_uv, within_s=_WITHIN_S),
        Step(name="resolving packages", argv=tuple(install), env=for_uv, within_s=tools.within_s),
    ]
    if variant.stub is not None:
        name, version = (word.replace("{version}", build.version) for word in variant.stub)
        stub = (python, "-I", "-c", _STUB, name, version)
        steps.append(Step(name=f"stating the version of {name}", argv=stub, env=tools.environment, within_s=_WITHIN_S))
    if variant.forbidden:
        look = (python, "-I", "-c", _REFUSE, _HARMLESS, *variant.forbidden)
        steps.append(Step(name="looking for wrong packages", argv=look, env=tools.environment, within_s=_WITHIN_S))
    steps.append(Step(name=VERIFYING, argv=verification, env=engine_environment, within_s=variant.verified_within_s))
    return tuple(steps)


def python_for(build: Build, tools: Tools) -> str:
    """Return the interpreter for uv: the agent's own where the engine runs on it, else a range to look for."""
    variant = build.variant
    if variant.python_least <= tools.python_version < variant.python_below:
        return tools.python
    return ">={}.{},<{}.{}".format(*variant.python_least, *variant.python_below)
