"""A real llama.cpp fails as it can be provoked to, and `deployments show` says what happened and what to do."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse_node_agent.engines import xllamacpp_runner
from tests.process.engines.failing import Failing, deploy_failing, told
from tests.process.platform import DEMO, Platform
from tests.support.scheduler_stub import SMOLLM2

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

FILES = "/files/of/the/tests"
"""Stands for the directory that a fixture makes."""
RUNNER = f"{sys.executable} -I -u {xllamacpp_runner.__file__}"
ARGUMENTS = "--model {model_path} --alias {served_name} --host {host} --port {port} --parallel 1"
LIMITED = "sh -c 'ulimit -v %d; exec \"$@\"' limited"
OCCUPY = (
    "import os, socket, sys; taken = socket.create_server((sys.argv[1], int(sys.argv[2])));"
    " taken.set_inheritable(True); os.execv(sys.argv[3], sys.argv[3:])"
)


def by_command(command: str) -> dict[str, str]:
    """Return the parameters of an engine that is known by its command alone."""
    return {"command": command, "readiness_path": "/health"}


CASES = [
    Failing(
        name="weights-missing",
        path=f"{FILES}/missing.gguf",
        kind="model-unavailable",
        words=("missing.gguf does not exist on this node", "correct the model's path"),
    ),
    Failing(
        name="weights-corrupt",
        path=f"{FILES}/corrupt.gguf",
        kind="model_corrupt",
        words=("damaged or not a GGUF file", "fetch it again"),
        line="failed to read key-value pairs",
    ),
    Failing(
        name="weights-truncated",
        path=f"{FILES}/truncated.gguf",
        kind="model_corrupt",
        words=("damaged or not a GGUF file", "compare its checksum"),
        line="data is not within the file bounds",
    ),
    Failing(
        name="architecture-unknown",
        path=f"{FILES}/architecture.gguf",
        kind="unsupported_architecture",
        words=("does not know the architecture mamb9", "newer version"),
        line="unknown model architecture: 'mamb9'",
    ),
    Failing(
        name="template-broken",
        path=str(SMOLLM2),
        kind="bad_chat_template",
        words=("chat template cannot be used", "correct the template"),
        line="chat template parsing error",
        parameters={"chat_template_file": f"{FILES}/broken.jinja", "parallel": "1", "context": "512"},
    ),
    Failing(
        name="memory-limited",
        path=str(SMOLLM2),
        engine="custom",
        kind="out_of_memory",
        words=("memory ran out", "shorter context"),
        line="insufficient memory (attempted to allocate",
        parameters=by_command(f"{LIMITED % 2_500_000} {RUNNER} {ARGUMENTS} --context 500000"),
    ),
    Failing(
        name="threads-limited",
        path=str(SMOLLM2),
        engine="custom",
        kind="host_limit",
        words=("a limit of memory or of processes", "raise the limit"),
        line="Resource temporarily unavailable",
        parameters=by_command(f"{LIMITED % 300_000} {RUNNER} {ARGUMENTS}"),
    ),
    Failing(
        name="environment-broken",
        path=str(SMOLLM2),
        engine="custom",
        kind="broken_environment",
        words=("No module named 'xllamacpp'", "install it again"),
        line="xllamacpp cannot be imported",
        parameters=by_command(f"{sys.executable} -I -S -u {xllamacpp_runner.__file__} {ARGUMENTS}"),
    ),
    Failing(
        name="flag-unknown",
        path=str(SMOLLM2),
        engine="custom",
        kind="bad_parameters",
        words=("--no-such-flag 3", "correct it"),
        line="unrecognized arguments: --no-such-flag 3",
        parameters=by_command(f"{RUNNER} {ARGUMENTS} --no-such-flag 3"),
    ),
    Failing(
        name="port-taken",
        path=str(SMOLLM2),
        engine="custom",
        kind="port_in_use",
        words=("taken by another program",),
        line="is in use",
        parameters=by_command(f"{sys.executable} -c '{OCCUPY}' {{host}} {{port}} {RUNNER} {ARGUMENTS}"),
    ),
]


def damaged(directory: Path) -> None:
    """Write files of which each has one thing wrong."""
    whole = SMOLLM2.read_bytes()
    architecture = whole.index(b"llama", whole.index(b"general.architecture"))
    named_otherwise = whole[:architecture] + b"mamb9" + whole[architecture + 5 :]
    (directory / "architecture.gguf").write_bytes(named_otherwise)
    (directory / "truncated.gguf").write_bytes(whole[: len(whole) // 2])
    (directory / "corrupt.gguf").write_bytes(whole[:2000] + bytes(4000) + whole[6000:])
    (directory / "broken.jinja").write_text("{{ messages | nofilter }} {% for")


def placed(case: Failing, directory: Path) -> Failing:
    parameters = {name: value.replace(FILES, str(directory)) for name, value in case.parameters.items()}
    return replace(case, path=case.path.replace(FILES, str(directory)), parameters=parameters)


@pytest.fixture(scope="module")
def failing(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Failing]]:
    """All of them at once: each fails within a second, and starts again meanwhile."""
    directory = tmp_path_factory.mktemp("damaged")
    damaged(directory)
    cases = {case.name: placed(case, directory) for case in CASES}
    with deploy_failing(platform, cases.values()):
        yield cases


@pytest.mark.contract("A12", "A32")
@pytest.mark.parametrize("name", [case.name for case in CASES])
async def test_the_class_the_cause_and_what_to_do_are_told(
    platform: Platform, failing: dict[str, Failing], name: str
) -> None:
    shown = await told(platform, failing[name])

    for words in failing[name].words:
        assert words in shown


@pytest.mark.parametrize(
    ("setting", "words"),
    [("context=10000", "was made for 8192 tokens"), ("paralel=2", "has no parameter"), ("parallel=many", "parallel")],
)
def test_what_can_be_known_before_is_refused_before_anything_starts(
    platform: Platform, setting: str, words: str
) -> None:
    refused = platform.try_command("deploy", DEMO, "--name", "refused", "--set", setting)

    assert refused.returncode != 0
    assert words in refused.stderr
    assert "refused" not in [deployment["name"] for deployment in platform.json("deployments", "ls")]
