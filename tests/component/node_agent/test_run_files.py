"""Files and links that an engine is started with."""

from pathlib import Path

import pytest

from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.processes.records import RunDirectory


def a_run(path: Path) -> RunDirectory:
    return RunDirectory(path=path, replica_id="rep_1", attempt=1, launch=1)


def test_an_engines_files_are_for_the_agents_user_only(tmp_path: Path) -> None:
    a_run(tmp_path).keep({"config.json": "{}"}, {"smol": "/models/smol"})
    assert (tmp_path / "config.json").read_text() == "{}"
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "smol").readlink() == Path("/models/smol")


def test_files_and_links_may_share_a_directory(tmp_path: Path) -> None:
    a_run(tmp_path).keep({"tokenizer/chat_template.jinja": "{{ x }}"}, {"tokenizer/tokenizer.json": "/models/t.json"})
    assert sorted(path.name for path in (tmp_path / "tokenizer").iterdir()) == ["chat_template.jinja", "tokenizer.json"]
    assert (tmp_path / "tokenizer").stat().st_mode & 0o777 == 0o700


def test_files_that_cannot_be_written_fail_the_launch(tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed, match="files cannot be written"):
        a_run(tmp_path / "gone").keep({"config.json": "{}"}, {})
