"""Which patterns tenants may have: bounded ones, whatever text they meet."""

import re
import time

import pytest

from roundhouse_common.redaction_patterns import (
    EXPRESSION_CHARACTERS,
    PATTERNS_MOST,
    STEPS_MOST,
    pattern_fault,
    patterns_fault,
    steps_of,
)

TEXT = "a" * 17_408
"""As long as what is read of one text of a log."""


@pytest.mark.parametrize(
    ("expression", "steps"),
    [
        (r"E-\d{6}", 8),
        (r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", 34),
        (r"(?i)project \w{1,20}", 28),
        (r"(?:cat|dog|mouse)", 11),
        (r"(?<=no )a{2}", 5),
        (r"(?>a{1,9})b", 10),
        (r"a{1,9}+b", 10),
        (r"a{1,9}b", 18),
        (r"\bx?y$", 6),
    ],
)
def test_an_expression_has_so_many_steps(expression: str, steps: int) -> None:
    assert steps_of(expression) == steps


@pytest.mark.contract("E05")
@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (r"(a+)+b", "has no bound"),
        (r"a*b", "has no bound"),
        (r"\d{3,}x", "has no bound"),
        (r"(a{0,9}){0,9}b", "steps"),
        (r"(a|a){1,16}b", "steps"),
        (r"a{1,50}a{1,50}b", "steps"),
        (r"(?=(a{1,60}){1,9})b", "steps"),
        (r"(a)\1", "refers back"),
        (r"(?P<x>a)(?P=x)", "refers back"),
        (r"(a)?(?(1)b|c)", "refers back"),
        (r"a{0,3}", "the empty text"),
        (r"\b", "the empty text"),
        (r"(?=a)", "the empty text"),
        (r"(", "no regular expression"),
        (r"a{2}" * 2 + "a{511}", "characters"),
        (r"[[a]]", "no regular expression"),
    ],
)
def test_what_could_run_for_long_is_refused_with_the_reason(expression: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        steps_of(expression)


@pytest.mark.parametrize(
    "expression", ["(a|a){1,8}b", "(a{0,3}){0,4}b", "a{1,20}a{1,20}b", ".{1,400}s", "(.{1,20}){2}s"]
)
def test_the_worst_that_is_taken_is_over_soon(expression: str) -> None:
    """Each of these takes minutes, or years, without its bounds."""
    assert steps_of(expression) <= STEPS_MOST
    began = time.process_time()
    re.compile(expression).sub("", TEXT)
    assert time.process_time() - began < 5.0


def test_names_and_sizes_are_bounded() -> None:
    assert pattern_fault("staff_number", r"E-\d{6}") is None
    for name, expression in (("Staff", "a"), ("", "a"), ("a" * 41, "a"), ("x", ""), ("x", "a" * 201)):
        assert pattern_fault(name, expression), (name, expression)
    assert pattern_fault("x", "a" * EXPRESSION_CHARACTERS) is None


def test_patterns_are_bounded_together() -> None:
    some = [(f"p{number}", "a") for number in range(PATTERNS_MOST)]
    assert patterns_fault(some) is None
    assert "allowed" in str(patterns_fault([*some, ("more", "b")]))
    assert "same name" in str(patterns_fault([("a", "x"), ("a", "y")]))
    assert "together" in str(patterns_fault([("a", ".{0,300}s"), ("b", ".{0,300}t")]))
