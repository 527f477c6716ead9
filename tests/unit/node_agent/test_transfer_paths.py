"""Paths that a source states stay inside the model's directory."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.paths import check_paths


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "..",
        "../a",
        "a/../../b",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "a\\..\\b",
        "\ud800",
        "a" * 256,
        "/".join(["a" * 200] * 6),
        "ä" * 128,
    ],
)
def test_a_path_that_leads_elsewhere_or_nowhere_is_refused(path: str) -> None:
    with pytest.raises(TransferFailed, match="path"):
        check_paths([path])


def test_ordinary_paths_are_taken() -> None:
    check_paths(["config.json", "a/b/model-00001-of-00002.safetensors", "onnx/..model", "模型.gguf", "a b.txt"])


def test_a_file_that_is_stated_twice_is_refused() -> None:
    with pytest.raises(TransferFailed, match="twice"):
        check_paths(["a", "b", "a"])


def test_a_file_in_the_place_of_a_directory_is_refused() -> None:
    with pytest.raises(TransferFailed, match="as a file and as a directory"):
        check_paths(["a", "a/b"])


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(TransferFailed, match="no file"):
        check_paths([])


@given(st.text(alphabet="./\\a\0\n~", min_size=1, max_size=12))
def test_whatever_is_taken_stays_below_its_directory(path: str) -> None:
    try:
        check_paths([path])
    except TransferFailed:
        return
    whole = os.path.normpath(os.path.join("/store/files", path))
    assert whole == f"/store/files/{path}"
