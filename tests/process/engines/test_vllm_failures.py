"""The real vLLM fails as it can be provoked to without a GPU, and `deployments show` tells what and what to do."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.process.engines.failing import Failing, deploy_failing, told
from tests.process.platform import Platform

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1500)]

GIB = 1024**3
LIMIT_BYTES = 6 * GIB
WEIGHTS = "model.safetensors"
SMALL = {"context": "512", "parallel": "2", "eager": "true"}

Change = Callable[[Path], None]


def _linked(source: str, target: str) -> None:
    """Take no room where that is possible. What is changed is written anew, so the original stays as it is."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def no_weights(directory: Path) -> None:
    (directory / WEIGHTS).unlink()


def half_of_the_weights(directory: Path) -> None:
    whole = (directory / WEIGHTS).read_bytes()
    (directory / WEIGHTS).unlink()
    (directory / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def other_bytes_as_weights(directory: Path) -> None:
    (directory / WEIGHTS).unlink()
    (directory / WEIGHTS).write_bytes(b"this is no checkpoint" * 1000)


def unknown_architecture(directory: Path) -> None:
    configure(directory, architectures=["Mamba9ForCausalLM"])


def a_length_that_only_vllm_heeds(directory: Path) -> None:
    """What the catalog knows to be too long it refuses before anything starts."""
    configure(directory, seq_length=1024)


def configure(directory: Path, **changes: object) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").unlink()
    (directory / "config.json").write_text(json.dumps({**config, **changes}))


def nothing(_directory: Path) -> None:
    """The model is whole."""


CASES: list[tuple[Change, Failing]] = [
    (
        no_weights,
        Failing(
            name="vllm-weights-missing",
            kind="model_missing",
            words=("files are not where they should be",),
            line="Cannot find any model weights",
        ),
    ),
    (
        half_of_the_weights,
        Failing(name="vllm-weights-truncated", kind="model_corrupt", words=("fetch them again",), line="Safetensor"),
    ),
    (
        other_bytes_as_weights,
        Failing(name="vllm-weights-corrupt", kind="model_corrupt", words=("compare their checksums",)),
    ),
    (
        unknown_architecture,
        Failing(
            name="vllm-architecture",
            kind="unsupported_architecture",
            words=("Mamba9ForCausalLM", "newer version"),
            line="are not supported for now",
        ),
    ),
    (
        a_length_that_only_vllm_heeds,
        Failing(
            name="vllm-context",
            kind="context_too_long",
            words=("a context of 4096 tokens was asked for", "lower context"),
            line="is greater than the derived max_model_len",
            parameters={**SMALL, "context": "4096"},
        ),
    ),
    (
        nothing,
        Failing(
            name="vllm-flag",
            kind="bad_parameters",
            words=("--no-such-flag", "correct it"),
            line="unrecognized arguments: --no-such-flag",
            parameters={**SMALL, "--no-such-flag": "3"},
        ),
    ),
    (
        nothing,
        Failing(
            name="vllm-tensor-parallel",
            kind="bad_tensor_parallel",
            words=("9 attention heads", "divisor of 9"),
            line="must be divisible by tensor parallel size",
            parameters={**SMALL, "tensor_parallel": "2"},
        ),
    ),
]


@pytest.fixture
def model(smollm2_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint that may be damaged."""
    directory = tmp_path / "model"
    shutil.copytree(smollm2_checkpoint, directory, copy_function=_linked)
    return directory


async def must_be_told(vllm: Platform, model: Path, case: Failing) -> None:
    case = replace(
        case,
        engine="vllm",
        memory_bytes=max(case.memory_bytes, 4 * GIB),
        path=str(model),
        parameters=case.parameters or SMALL,
    )
    with deploy_failing(vllm, [case]):
        shown = await told(vllm, case, within_s=300)
    for words in case.words:
        assert words in shown


@pytest.mark.contract("A12", "A30", "A32")
@pytest.mark.parametrize(("change", "case"), CASES, ids=[case.name for _, case in CASES])
async def test_the_class_the_cause_and_what_to_do_are_told_of_vllm(
    vllm: Platform, model: Path, change: Change, case: Failing
) -> None:
    change(model)

    await must_be_told(vllm, model, case)


async def test_an_environment_that_lost_a_module_is_told(vllm: Platform, model: Path) -> None:
    (found,) = (vllm.data_dir / "node-agent" / "engines").glob("vllm-*/env/lib/python*/site-packages/fastapi")
    away = found.rename(found.with_name("fastapi.away"))
    try:
        await must_be_told(
            vllm,
            model,
            Failing(
                name="vllm-environment",
                kind="broken_environment",
                words=("No module named 'fastapi'", "install it again"),
                line="ModuleNotFoundError",
            ),
        )
    finally:
        away.rename(found)


async def test_memory_that_a_limit_of_the_host_denies_is_told(vllm: Platform, model: Path) -> None:
    pid = vllm.pid("node-agent")
    assert pid is not None
    agent = psutil.Process(pid)
    before = agent.rlimit(psutil.RLIMIT_AS)
    agent.rlimit(psutil.RLIMIT_AS, (LIMIT_BYTES, before[1]))  # its engines inherit it
    try:
        await must_be_told(
            vllm,
            model,
            Failing(
                name="vllm-memory",
                kind="out_of_memory",
                words=("memory ran out",),
                line="allocate",
                memory_bytes=16 * GIB,  # a quarter of it for the cache
            ),
        )
    finally:
        agent.rlimit(psutil.RLIMIT_AS, before)
