"""A Roundhouse of its own for the engines that take minutes, which it installs itself, and the models they serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.engines.real_models import minilm, smollm2
from tests.process.platform import Platform, free_base_port

_INSTALLED_WITHIN_S = 1800


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Without the demo: these engines need the memory and the processor for themselves."""
    running = Platform(Path(tmp_path_factory.mktemp("large")), free_base_port())
    running.up("--no-demo")
    yield running
    running.down()
    assert list(running.processes()) == []


@pytest.fixture(scope="session")
def vllm(large: Platform) -> Platform:
    """Has vLLM on its node, by the order that a user gives."""
    large.command("engines", "install", "vllm", "--all", timeout_s=_INSTALLED_WITHIN_S)
    return large


@pytest.fixture(scope="session")
def xinference(large: Platform) -> Platform:
    large.command("engines", "install", "xinference", "--all", timeout_s=_INSTALLED_WITHIN_S)
    return large


@pytest.fixture(scope="session")
def kept(pytestconfig: pytest.Config) -> Path:
    """Where models that take long to make are kept between runs."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("engines")


@pytest.fixture(scope="session")
def smollm2_checkpoint(kept: Path) -> Path:
    return smollm2(kept)


@pytest.fixture(scope="session")
def minilm_checkpoint(kept: Path) -> Path:
    return minilm(kept)
