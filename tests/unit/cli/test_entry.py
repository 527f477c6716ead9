"""An old Python is told so."""

import ast
from pathlib import Path

import pytest

import roundhouse_cli
from roundhouse_cli import entry


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 2), (4, 0, 0)])
def test_a_supported_python_has_no_problem(version: tuple[object, ...]) -> None:
    assert entry.python_problem(version) == ""


@pytest.mark.parametrize("version", [(3, 10, 13, "final", 0), (3, 6, 15)])
def test_an_old_python_is_one_line_with_what_is_needed(version: tuple[object, ...]) -> None:
    problem = entry.python_problem(version)

    assert "Python 3.11 or newer is needed" in problem
    assert f"this is 3.{version[1]}.{version[2]}" in problem
    assert "\n" not in problem


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py", "entry.py"])
def test_what_an_old_python_reads_first_it_can_read(name: str) -> None:
    source = (Path(roundhouse_cli.__file__).parent / name).read_text()

    assert ast.parse(source, feature_version=(3, 6)).body
