"""An installation that fails says in one line what happened and what to do."""

import pytest
from scripts._install import explain

_INDEX = {"UV_DEFAULT_INDEX": "https://reader:secret@mirror.example/simple"}


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("  Caused by: No space left on device (os error 28)", "the disk of "),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "does not have the pinned hash"),
        ("  Caused by: dns error: failed to lookup address information", "the package index https://mirror.example"),
        ("error: Request failed\n  Caused by: tcp connect error: Connection refused", "cannot be reached"),
        ("ERROR: No matching distribution found for uv==0.1", "lacks a pinned package (ERROR: No matching"),
        ("first\nsomething else broke\n\n", "installing packages failed: something else broke"),
        ("", "installing packages failed: no output"),
    ],
)
def test_each_cause_has_its_line(log: str, said: str) -> None:
    text = explain(log, "installing packages", _INDEX)
    assert said in text
    assert "\n" not in text
    assert "secret" not in text
