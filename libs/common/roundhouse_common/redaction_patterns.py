"""Regular expressions of tenants, run by routers over texts of strangers: only those whose steps are bounded.

Python's engine backtracks: `(a+)+b` takes time exponential in the text, `\\d+\\d+x` its cube. So every repetition needs
a bound, and the ways through an expression are counted: from each position of a text it may take so many steps and no
more.
"""

import re
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, NamedTuple

__all__ = ["EXPRESSION_CHARACTERS", "PATTERNS_MOST", "STEPS_MOST", "pattern_fault", "patterns_fault", "steps_of"]

PATTERNS_MOST: Final = 20
EXPRESSION_CHARACTERS: Final = 200
STEPS_MOST: Final = 1000
"""From one position of a text, by all patterns of a tenant together."""
_WIDTH_MOST: Final = 512
"""Characters of a match: a secret that a bound of the log cuts must be recognised in what is read beyond it."""
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}")
_ENDLESS: Final = 10**9
_BOUND: Final = "write a bound, as in {1,64}"

# The parser of `re` has no public name; the test of this module holds on to what is used of it here.
_parse: Final[Any] = import_module("re._parser").parse  # Any: its trees have no types


class _Unfit(Exception):
    """Why an expression is not taken."""


class _Cost(NamedTuple):
    """Of a part of an expression."""

    steps: int
    """Taken from one position, on all ways."""
    ways: int
    """In which it can match from there, each of which what follows may have to try."""


def pattern_fault(name: str, expression: str) -> str | None:
    """Say what is wrong with one pattern; None: it can be used."""
    if not _NAME.fullmatch(name):
        return f"the name {name[:60]!r} found; want 1 to 40 characters of a-z, 0-9 and _"
    if not expression or len(expression) > EXPRESSION_CHARACTERS:
        return f"{name}: {len(expression)} characters found; 1 to {EXPRESSION_CHARACTERS} are allowed"
    try:
        steps_of(expression)
    except ValueError as error:
        return f"{name}: {error}"
    return None


def patterns_fault(patterns: Iterable[tuple[str, str]]) -> str | None:
    """Say what is wrong with patterns as a whole, each of which is well by itself."""
    found = list(patterns)
    if len(found) > PATTERNS_MOST:
        return f"{len(found)} found; {PATTERNS_MOST} are allowed"
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        return "two have the same name"
    steps = sum(steps_of(expression) for _, expression in found)
    if steps > STEPS_MOST:
        return f"together they may take {steps} steps at each character; {STEPS_MOST} are allowed: use smaller bounds"
    return None


def steps_of(expression: str) -> int:
    """Return how many steps the expression may take from one position. Raises ValueError with what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what `re` warns of means something else in a later Python
            re.compile(expression)
            tree = _parse(expression)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    if not tree.getwidth()[0]:
        raise ValueError("it matches the empty text")
    try:
        steps = _sequence(tree).steps
    except _Unfit as fault:
        raise ValueError(str(fault)) from None
    if tree.getwidth()[1] > _WIDTH_MOST:
        raise ValueError(f"it matches up to {tree.getwidth()[1]} characters; {_WIDTH_MOST} are allowed")
    if steps > STEPS_MOST:
        raise ValueError(f"it may take {steps} steps at each character; {STEPS_MOST} are allowed: use smaller bounds")
    return steps


def _sequence(parts: Iterable[Any]) -> _Cost:  # Any: nodes of the parser's tree
    steps, ways = 0, 1
    for part in parts:
        cost = _part(part)
        steps, ways = min(steps + ways * cost.steps, _ENDLESS), min(ways * cost.ways, _ENDLESS)
    return _Cost(steps, ways)


def _part(part: tuple[Any, Any]) -> _Cost:  # Any: as above
    kind, value = str(part[0]), part[1]
    match kind:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "AT":
            return _Cost(1, 1)
        case "SUBPATTERN":
            return _sequence(value[3])
        case "BRANCH":
            branches = [_sequence(branch) for branch in value[1]]
            return _Cost(sum(one.steps for one in branches), sum(one.ways for one in branches))
        case "ASSERT" | "ASSERT_NOT":
            return _Cost(_sequence(value[1]).steps, 1)
        case "ATOMIC_GROUP":
            return _Cost(_sequence(value).steps, 1)
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeated(value)
        case "POSSESSIVE_REPEAT":
            return _Cost(_repeated(value).steps, 1)
        case "GROUPREF" | "GROUPREF_EXISTS":
            raise _Unfit("it refers back to a group, which is not allowed")
        case _:
            raise _Unfit(f"{kind.lower()} is not allowed")


def _repeated(value: Any) -> _Cost:  # Any: as above
    least, most, body = value
    if int(most) > _WIDTH_MOST:
        raise _Unfit(f"a repetition has no bound, or one above {_WIDTH_MOST}: {_BOUND}")
    one = _sequence(body)
    steps, ways, ends = 0, 1, 0
    for count in range(int(most) + 1):
        if count >= int(least):
            ends = min(ends + ways, _ENDLESS)
        if count < int(most):
            steps, ways = min(steps + ways * one.steps, _ENDLESS), min(ways * one.ways, _ENDLESS)
    return _Cost(steps, ends)
