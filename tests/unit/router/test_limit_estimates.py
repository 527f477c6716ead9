"""Tokens are estimated by size, but an image of a megabyte is not a quarter of a million of them."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.limits.estimates import estimate_input, most_output


def body(*texts: str, ascii_only: bool = False) -> bytes:
    return json.dumps({"messages": [{"content": text} for text in texts]}, ensure_ascii=ascii_only).encode()


def test_text_counts_by_its_bytes() -> None:
    assert estimate_input(b"") == 1
    assert estimate_input(body("hello " * 2000)) == len(body("hello " * 2000)) // 4 + 1


@pytest.mark.parametrize("ascii_only", [False, True])
def test_text_without_spaces_is_text(ascii_only: bool) -> None:
    sent = body("你好世界" * 5000, ascii_only=ascii_only)
    assert estimate_input(sent) == len(sent) // 4 + 1


def test_each_image_counts_as_a_thousand() -> None:
    image = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4000).decode()
    plain = estimate_input(body("what is this?", "", ""))
    assert estimate_input(body("what is this?", image, image)) == pytest.approx(plain + 2000, abs=1)


def test_ten_megabytes_take_no_time_to_speak_of() -> None:
    sent = body("x" * 10_000_000)
    began = time.process_time()
    estimate_input(sent)
    assert time.process_time() - began < 1.0  # 10 ms where nothing else runs


def test_what_generates_no_text_needs_no_output() -> None:
    assert most_output(Operation.EMBEDDING, None, 1) == 0
    assert most_output(Operation.CHAT, None, 3) is None
    assert most_output(Operation.CHAT, 100, 3) == 300
    assert most_output(Operation.CHAT, 10**30, 10**30) == 10**12, "a limit's counter holds no more"
    assert most_output(Operation.COMPLETION, 0, 0) == 0


def test_a_negative_limit_is_none_as_engines_take_it() -> None:
    assert most_output(Operation.CHAT, -1, 1) is None


@given(st.lists(st.tuples(st.sampled_from(["a", "a b", '"', "\\", "é"]), st.integers(0, 9000)), max_size=8))
def test_long_strings_are_found_wherever_they_stand(parts: list[tuple[str, int]]) -> None:
    sent = "".join(text * (count // len(text.encode())) for text, count in parts).encode()
    long = [
        text
        for text in sent.split(b'"')
        if len(text) > 4096 and b" " not in text and b"\\" not in text and text.isascii()
    ]
    assert estimate_input(sent) == (len(sent) - sum(map(len, long))) // 4 + 1 + 1000 * len(long)
