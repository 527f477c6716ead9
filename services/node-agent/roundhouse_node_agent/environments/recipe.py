"""How an engine is installed: one file in `recipes/` per engine, with a variant per kind of accelerator.

Pure but for `load_recipes`. To add an engine or a version: docs/how-to/install-engines.md.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from roundhouse_common.contracts.node import DeviceVendor

__all__ = ["Build", "Recipe", "Refused", "Variant", "choose", "load_recipes", "variant_of"]

RECIPES: Final = Path(__file__).with_name("recipes")
CPU: Final = "cpu"
_BY_VENDOR: Final[Mapping[DeviceVendor, str]] = MappingProxyType(
    {DeviceVendor.NVIDIA: "cuda", DeviceVendor.AMD: "rocm", DeviceVendor.ASCEND: "ascend"}
)
_VERSION: Final = re.compile(r"\d[A-Za-z0-9.]{0,39}")
_NEVER_ON_CPU: Final = ("nvidia-*", "cuda-*", "cupy-*", "triton", "flashinfer-*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What an engine is built for."""

    name: str
    versions: tuple[str, ...]
    """Those that are pinned, the newest first; each has `pins/<engine>-<version>-<variant>.txt`."""
    packages: tuple[str, ...]
    """Requirements, in which `{version}` stands for the engine's version."""
    excluded: tuple[str, ...] = ()
    """Distributions that others ask for and that must not come in."""
    torch: str = ""
    """uv's torch backend; empty: torch as the package index has it."""
    machines: tuple[str, ...] = ("x86_64", "aarch64")
    python_least: tuple[int, int]
    python_below: tuple[int, int]
    disk_bytes: int
    """What an installed one takes, roughly, as measured once."""
    stub: tuple[str, str] | None = None
    """Name and version of a distribution that the engine asks for and that this build of it does not have."""
    verification: tuple[str, ...]
    """A command that fails where the engine does not start. `{python}` and `{bin}` stand for the environment's."""
    verified_within_s: float = 120.0
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the engine runs with."""
    note: str = ""
    """What a user of this variant should know."""

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Return patterns of distributions whose presence means that the wrong build came."""
        return (*self.excluded, *_NEVER_ON_CPU) if self.name == CPU else self.excluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One engine. Without variants it cannot be installed; `instead` says what can be done."""

    engine: str
    program: str
    """Its executable's name; empty for a library that a runner of ours starts."""
    instead: str
    variants: Mapping[str, Variant]
    otherwise: str = ""
    """The variant for devices that have none of their own; empty: the engine would not use them, and is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What is to be built on this node."""

    recipe: Recipe
    variant: Variant
    version: str
    pins: Path | None
    """None: nobody has pinned this version; its dependencies are resolved when it is installed."""

    @property
    def environment_id(self) -> str:
        """Return its name on a node."""
        return f"{self.recipe.engine}-{self.version}-{self.variant.name}"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it cannot be installed here, and what can be done."""

    why: str


def variant_of(vendors: Iterable[DeviceVendor]) -> str:
    """Return the variant that is made for devices of these vendors."""
    for vendor in vendors:
        return _BY_VENDOR.get(vendor, vendor.value)
    return CPU


def choose(
    recipe: Recipe, *, version: str, variant: str, vendors: Iterable[DeviceVendor], machine: str
) -> Build | Refused:
    """Return what to build for an order on a node with these devices; what the order leaves open follows from them."""
    if not recipe.variants:
        return Refused(f"{recipe.engine} cannot be installed by a node: {recipe.instead}")
    wanted = variant or variant_of(vendors)
    if not variant and wanted not in recipe.variants:
        wanted = recipe.otherwise or wanted
    found = recipe.variants.get(wanted)
    if found is None:
        has = ", ".join(sorted(recipe.variants))
        asked = f"{wanted} was asked for" if variant else f"this node needs {wanted}"
        return Refused(f"a node installs {recipe.engine} for {has}, and {asked}; {recipe.instead}")
    if machine not in found.machines:
        return Refused(f"{recipe.engine} for {wanted} is made for {', '.join(found.machines)}; this node is {machine}")
    chosen = version or found.versions[0]
    if _VERSION.fullmatch(chosen) is None:
        return Refused(f"{version!r} is no version; one is e.g. {found.versions[0]}")
    pins = RECIPES / "pins" / f"{recipe.engine}-{chosen}-{wanted}.txt"
    return Build(recipe=recipe, variant=found, version=chosen, pins=pins if chosen in found.versions else None)


@functools.cache
def load_recipes() -> Mapping[str, Recipe]:
    """Return every recipe by its engine. Reads the files once; a broken one is an error of the package."""
    recipes = [_recipe(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(RECIPES.glob("*.toml"))]
    return MappingProxyType({recipe.engine: recipe for recipe in recipes})


def _recipe(raw: dict[str, Any]) -> Recipe:  # Any: TOML has no types
    variants = {name: _variant(name, found) for name, found in raw.pop("variants", {}).items()}
    recipe = Recipe(
        engine=raw.pop("engine"),
        program=raw.pop("program", ""),
        instead=raw.pop("instead", ""),
        variants=variants,
        otherwise=raw.pop("otherwise", ""),
    )
    if raw:
        raise ValueError(f"the recipe of {recipe.engine} says {', '.join(sorted(raw))}, which nothing reads")
    return recipe


def _variant(name: str, raw: dict[str, Any]) -> Variant:  # Any: TOML has no types
    for key in ("versions", "packages", "excluded", "machines", "verification"):
        if key in raw:
            raw[key] = tuple(raw[key])
    if "stub" in raw:
        raw["stub"] = (raw["stub"]["distribution"], raw["stub"]["version"])
    for key in ("python_least", "python_below"):
        major, minor = str(raw[key]).split(".")
        raw[key] = (int(major), int(minor))
    return Variant(name=name, **raw)
