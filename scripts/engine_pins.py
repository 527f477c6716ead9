"""Compile the pins of every engine's recipe: `.venv/bin/python -m scripts.engine_pins [ENGINE ...]`.

Needs the package index, and for builds for the processor a place with torch for it, as pip is configured. Files are
named by hash, but for torch of the processor: its files come from another place on every site.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import uv

from roundhouse_common.pip_config import uv_environment
from roundhouse_node_agent.environments.recipe import Recipe, Variant, load_recipes

_LOCAL_BUILD = re.compile(r"^(\S+==\S+\+\w+[^\n\\]*?) *\\\n(?: +--hash=\S+(?: \\)?\n)+", re.MULTILINE)
_MADE_FOR = ("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_35")
"""They are constraints: other versions of Python and other machines keep to them as far as they have the same files."""
_PINS = Path("services/node-agent/roundhouse_node_agent/environments/recipes/pins")


def main(engines: list[str]) -> int:
    """Write the pins of these engines, or of all."""
    for recipe in load_recipes().values():
        for variant in recipe.variants.values():
            if not engines or recipe.engine in engines:
                for version in variant.versions:
                    _compile(recipe, variant, version)
    return 0


def _compile(recipe: Recipe, variant: Variant, version: str) -> None:
    output = _PINS / f"{recipe.engine}-{version}-{variant.name}.txt"
    environment = uv_environment(os.environ, Path.home())
    environment.pop("UV_INDEX", None)  # an index of one's own has not every file of a release, hence not every hash
    if variant.torch:
        if not environment.get("UV_FIND_LINKS"):
            environment["UV_TORCH_BACKEND"] = variant.torch
    else:
        environment.pop("UV_FIND_LINKS", None)  # its torch is not built for these devices
    with tempfile.TemporaryDirectory() as directory:
        excludes = Path(directory, "excludes.txt")
        excludes.write_text("\n".join(variant.excluded), encoding="utf-8")
        command = [uv.find_uv_bin(), "pip", "compile", "--quiet", "--generate-hashes", "--no-header"]
        command += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links", *_MADE_FOR]
        command += ["--excludes", str(excludes), "--prerelease", "if-necessary-or-explicit"]
        wanted = "\n".join(package.replace("{version}", version) for package in variant.packages)
        done = subprocess.run(
            [*command, "-"],
            input=wanted,
            capture_output=True,
            text=True,
            env=environment,
            cwd=directory,
            check=False,
        )
    if done.returncode != 0:
        raise SystemExit(f"{output.stem}: {done.stderr}")
    output.write_text(_LOCAL_BUILD.sub(r"\1\n", done.stdout), encoding="utf-8")
    sys.stdout.write(f"{output.stem}: {done.stdout.count('==')} pins\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
