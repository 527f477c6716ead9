"""An engine that is on the node already: by the directory of its environment, its interpreter, or its program."""

import os
from pathlib import Path

from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.discovery import interpreter_of
from roundhouse_node_agent.environments.installer import NotInstalled

__all__ = ["runtime_at"]


def runtime_at(kind: str, program_name: str, given: str) -> EngineRuntime:
    """Return the runtime that a path stands for; whether the engine answers there is another question.

    `program_name` is what its executable is called; empty for a library. Blocking. Raises NotInstalled.
    """
    path = Path(given)
    if not path.is_absolute():
        raise NotInstalled(f"{given!r} is no absolute path; name an environment's directory, interpreter or program")
    if not path.exists():
        raise NotInstalled(f"{given} does not exist on this node")
    origin = f"at {given}"
    if path.is_dir():
        python = path / "bin" / "python"
        program = path / "bin" / program_name if program_name else None
        if program is not None and _is_runnable(program):
            own = str(python) if _is_runnable(python) else ""
            return EngineRuntime(kind=kind, python=own, program=str(program), origin=origin)
        if program is None and _is_runnable(python):
            return EngineRuntime(kind=kind, python=str(python), origin=origin)
        raise NotInstalled(f"{given} is no environment with {kind}: it has no bin/{program_name or 'python'}")
    if not _is_runnable(path):
        raise NotInstalled(f"{given} is not executable")
    if path.name.startswith("python"):
        beside = path.with_name(program_name) if program_name else None
        if beside is not None and not _is_runnable(beside):
            raise NotInstalled(f"the environment of {given} has no {program_name} beside its interpreter")
        return EngineRuntime(kind=kind, python=given, program=str(beside or ""), origin=origin)
    if not program_name:
        raise NotInstalled(f"{kind} is a library: name an interpreter that has it, or its environment's directory")
    return EngineRuntime(kind=kind, python=interpreter_of(path), program=given, origin=origin)


def _is_runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
