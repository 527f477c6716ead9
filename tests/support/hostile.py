"""Strings and values that have broken programs, by what they try: the arsenal of the injection tests."""

import random
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["FILE_NAMES", "FORMULAS", "HOSTILE", "SUBJECTS", "Arsenal", "nest"]

FORMULAS: Final = ("=cmd|' /C calc'!A0", "+1+cmd()", "-2+3", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")')
SUBJECTS: Final = (
    "*",
    ">",
    "a.>",
    "a.*.b",
    ".",
    "..",
    "a b",
    "a\n",
    "$JS.API.>",
    "rh.>",
    "_INBOX.>",
    "a\tb",
    "rep_1.>",
    "é",
)
FILE_NAMES: Final = (
    "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "a/../../b", "%2e%2e%2fx", "..;/x", "a\0.gguf", "~root",
    "CON", "a:b", "$(touch x)", "; touch x", "`touch x`", "| touch x", "-rf", "--help", "a\nb", "file:///etc/passwd",
)  # fmt: skip
HOSTILE: Final[dict[str, tuple[str, ...]]] = {
    "sql": (
        "' OR '1'='1", "'; DROP TABLE models; --", '" OR ""="', "1) OR (1=1", "x' UNION SELECT * FROM tenants--",
        "%' OR name LIKE '%incorporated", "%", "_", "\\", "\\'", "':=1", ":name", "$1", "?", "/*",
        "--", "{}", "%s%n", "E'\\x00'",
    ),
    "lines": ("a\r\nset-cookie: x=1", "a\nx-injected: 1", "a\r\n\r\n<html>", "a\u2028b", "a\x85b", "a\x0bb", "\n"),
    "control": ("\0", "a\0b", "\x1b[31m", "\x7f", "\ufeff", "\ufffe", "\uffff"),
    "percent": ("%00", "%0d%0ax: y", "%2e%2e%2f", "%25%30%30", "%", "%zz", "%c0%ae", "%ff"),
    "unicode": (
        "\u202eevil", "\u2066x\u2069", "e\u0301" * 40, "\ud800", "\udfff\ud800", "a\ud83d", "🦓" * 300, "ﷺ" * 100,
        "İ", "ß", "ﬁ", "１２３", "\u200b", "\u0000\u0301",
    ),
    "paths": FILE_NAMES,
    "subjects": SUBJECTS,
    "redis": ("*1\r\n$8\r\nFLUSHALL\r\n", "\r\nFLUSHALL\r\n", "return redis.call('keys','*')", "]]..os.exit()..[["),
    "templates": ("{{7*7}}", "${7*7}", "{% for x in ().__class__ %}", "<script>alert(1)</script>", "{0.__class__}"),
    "shell": ("$(id)", "`id`", "; id", "&& id", "| id", "--host=0.0.0.0", "-c", "$IFS", "%PATH%", "a\tb"),
    "formulas": FORMULAS,
    "logs": ('{"level":"error"}', "event=x level=error", "%(message)s", "${jndi:ldap://x}"),
    "sizes": ("", " ", "a" * 300, "a" * 5_000, "é" * 2_000),
    "numbers": ("9" * 400, "-1", "1e999", "NaN", "Infinity", "0x10", "1_000", "٣", "+1", "1.", "9223372036854775808"),
    "times": ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-13-45T99:99:99Z", "now", "1e300"),
}  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (  # Any: whatever JSON can be
    10**400, -(10**30), 2**63, -(2**63) - 1, 2**53 + 1, 1e308, float("nan"), float("inf"), float("-inf"), -0.0, 0, -1,
    True, None, [], {}, [[]], {"": ""}, {"\0": 1}, {"$ne": None}, {"__proto__": {}}, ["'", None, 1], [{}] * 50,
    {"a'; --": {"b\r\n": ["\ud800"]}},
)  # fmt: skip


def nest(depth: int, *, closed: bool = True) -> bytes:
    """Return JSON that is nothing but depth."""
    return b'{"a":' * depth + b"1" + (b"}" * depth if closed else b"")


class Arsenal:
    """Draws from everything above, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._kinds = list(HOSTILE)

    def text(self) -> str:
        return self._random.choice(HOSTILE[self._random.choice(self._kinds)])

    def value(self) -> Any:  # Any: as above
        """Return a text three times out of four, and else something of another type."""
        return self.text() if self._random.random() < 0.75 else self._random.choice(_VALUES)

    def sample(self, population: list[Any], most: int) -> Iterator[Any]:  # Any: of one type, and the same comes back
        yield from self._random.sample(population, min(most, len(population)))
