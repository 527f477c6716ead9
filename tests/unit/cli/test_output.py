"""Tables for people, JSON for programs."""

import json

import pytest

from roundhouse_cli.output import Column, OutputFormat, show_item, show_items

_COLUMNS = (Column("NAME", lambda item: item["name"]), Column("WHY", lambda item: item["why"], is_wrapped=True))


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_columns_are_aligned_and_nothing_is_cut_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"name": "a", "why": "x" * 500}, {"name": "longer", "why": ""}]

    show_items(items, _COLUMNS, OutputFormat.TABLE, empty="nothing")

    assert printed(capsys) == ["NAME    WHY", "a       " + "x" * 500, "longer  -"]


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_items([{"name": "[red]a[/red]", "why": ":smile:"}], _COLUMNS, OutputFormat.TABLE, empty="nothing")

    assert printed(capsys)[1] == "[red]a[/red]  :smile:"


def test_json_is_the_items_whole_whatever_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"name": "a", "why": "ü", "more": [1]}]

    show_items(items, _COLUMNS, OutputFormat.JSON, empty="nothing")

    assert json.loads(capsys.readouterr().out) == items


def test_one_thing_is_a_field_a_line_with_those_inside_named_by_their_path(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"id": "x", "count": 0, "is_on": False, "tags": ["a", "b"], "inside": {"deep": {"er": 1.5}}, "none": {}}

    show_item(item, OutputFormat.TABLE)

    assert [line.split() for line in printed(capsys)] == [
        ["id", "x"],
        ["count", "0"],
        ["is_on", "no"],
        ["tags", "a"],
        ["b"],
        ["inside.deep.er", "1.5"],
        ["none", "-"],
    ]


def test_no_cell_is_cut_on_a_terminal_that_is_too_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    items = [{"name": "a-name-of-twenty-six-letters", "why": "memory is short"}]

    show_items(items, _COLUMNS, OutputFormat.TABLE, empty="nothing")

    assert "a-name-of-twenty-six-letters  memory is short" in printed(capsys)[1]


def test_sizes_of_one_thing_are_readable(capsys: pytest.CaptureFixture[str]) -> None:
    show_item({"memory_bytes": 600 * 2**20}, OutputFormat.TABLE)

    assert printed(capsys) == ["memory_bytes  600 MiB"]
