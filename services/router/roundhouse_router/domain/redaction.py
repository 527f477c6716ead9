"""Taking secrets and personal data out of text before it is written down.

Patterns are made for recall: a word too many may go, a key must not stay. All run in time linear in the text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from roundhouse_common.contracts.identity import RedactionPattern
from roundhouse_common.redaction_patterns import pattern_fault, patterns_fault

__all__ = ["MARGIN", "Pattern", "Redactor", "read_patterns", "tenant_patterns"]

MARGIN: Final = 1024
"""Characters that are read beyond a bound and not kept, so that a secret which the bound cuts is recognised."""
_CUT: Final = "[cut]"
_LONG_DATA: Final = 2048
"""A word of this length is data (an image in base64), and of no use in a log."""
_LEFT_OUT: Final = frozenset(("logprobs", "top_logprobs", "prompt_logprobs", "tokens", "token_ids"))
"""Members that repeat an answer in pieces, where no pattern would find a key."""
_SECRET_NAME: Final = re.compile(r"(?i)(api[_-]?key|secret|passw(or)?d|access[_-]?key|authorization|[_-]token)$")


_CARD_LEAST, _CARD_MOST = 13, 19
"""Digits."""


class Pattern(NamedTuple):
    """What is taken out, and the word that stands for it."""

    name: str
    expression: "re.Pattern[str]"
    hints: tuple[str, ...] = ("",)
    """Each text that has it holds one of these in lower case: to look for them costs a tenth."""
    is_meant: Callable[[str], bool] = lambda found: True


def _is_card(found: str) -> bool:
    """Whether whole groups of these digits are a card's number, by its check digit."""
    if len(found) < _CARD_LEAST:
        return False
    groups = re.split(r"[ -]", found)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > _CARD_MOST:
                break
            if len(digits) >= _CARD_LEAST and _luhn(digits):
                return True
    return False


def _luhn(digits: str) -> bool:
    values = [int(digit) for digit in reversed(digits)]
    doubled = (sum(divmod(value * 2, 10)) for value in values[1::2])
    return (sum(values[::2]) + sum(doubled)) % 10 == 0


_BUILT_IN: Final = (
    Pattern(
        "private_key",
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}KEY-----)?"),
        ("-----begin",),
    ),
    Pattern(
        "api_key",
        re.compile(
            r"(?<![A-Za-z0-9])(?:(?:rh|sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|(?:hf|gsk|r8|gh[opsur]|npm|xai)_[A-Za-z0-9]{12,}"
            r"|github_pat_\w{16,}|glpat-[\w-]{12,}|xox[a-z]-[A-Za-z0-9-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{20,}"
            r"|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?)"
        ),
        ("rh", "sk", "pk", "rk", "_", "glpat", "xox", "akia", "asia", "aiza", "eyj"),
    ),
    Pattern(
        "bearer_token",
        re.compile(r"(?i)\b(?:authorization\W{1,4}\w+|bearer)\s+[\w.~+/=-]{8,}"),
        ("authorization", "bearer"),
    ),
    Pattern(
        "credential",
        re.compile(
            r"(?i)(?:api[_-]?key|secret|passw(?:or)?d|access[_-]?key|[_-]token|\btoken)[\"']?\s{0,4}[:=]\s{0,4}"
            r"(?:\"[^\"\n]{1,512}|'[^'\n]{1,512}|[^\s\"',;]{4,})"
        ),
        ("key", "secret", "passw", "token"),
    ),
    Pattern("email", re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), ("@",)),
    Pattern("card", re.compile(r"(?<!\d)\d{3,}(?:[ -]\d{3,})*"), is_meant=_is_card),
    Pattern(
        "phone",
        re.compile(
            r"(?<![\w.])(?:(?:\+|00)\d(?:[ ().-]{0,2}\d){6,14}|\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{3,4}|1[3-9]\d{9})(?!\w)"
        ),
    ),
)


class Redactor:
    """Shared by everything that is written; patterns of one's own come after those that are built in."""

    def __init__(self, own: Sequence[Pattern] = ()) -> None:
        self._patterns = (*_BUILT_IN, *own)

    def text(self, text: str) -> str:
        """Return the text with `[redacted:NAME]` for everything found."""
        lower = text.lower()
        for pattern in self._patterns:
            if not any(hint in lower for hint in pattern.hints):
                continue
            text = pattern.expression.sub(partial(_instead, pattern), text)
        return text

    def bounded(self, text: str, most: int, *, is_cut: bool = False) -> str:
        """Return the beginning of the redacted text. `is_cut` says that the text itself lacks its end."""
        is_cut = is_cut or len(text) > most + MARGIN
        redacted = self.text(text[: most + MARGIN])
        if is_cut:  # half a secret may stand at the end, and is not recognised
            return redacted[: max(0, min(most, len(redacted) - MARGIN))] + _CUT
        return redacted if len(redacted) <= most else redacted[:most] + _CUT

    def document(self, value: Any, most: int) -> Any:  # Any: a JSON document
        """Return the document with its texts redacted, and cut where it would hold more than `most` characters."""
        return _Walk(self, most).of(value)


def _instead(pattern: Pattern, match: "re.Match[str]") -> str:
    return f"[redacted:{pattern.name}]" if pattern.is_meant(match[0]) else match[0]


class _Walk:
    """Goes through one document."""

    def __init__(self, redactor: Redactor, most: int) -> None:
        self._redactor = redactor
        self._left = most

    def of(self, value: Any) -> Any:  # Any: part of a JSON document
        if self._left <= 0:
            return _CUT
        match value:
            case str():
                return self._text(value)
            case list():
                return list(self._items(value))
            case dict():
                return dict(self._members(value))
            case bool() | None:
                self._left -= 4
                return value
            case _:  # a number may be that of a card
                shown = self._redactor.text(str(value))
                self._left -= len(shown)
                return value if shown == str(value) else shown

    def _items(self, values: list[Any]) -> Iterator[Any]:  # Any: as above
        for value in values:
            yield self.of(value)
            if self._left <= 0:
                return

    def _members(self, members: dict[str, Any]) -> Iterator[tuple[str, Any]]:  # Any: as above
        for name, value in members.items():
            if name in _LEFT_OUT:
                continue
            if self._left <= 0:
                yield _CUT, len(members)
                return
            shown = self._text(name)
            is_secret = isinstance(value, str | int) and not isinstance(value, bool) and _SECRET_NAME.search(name)
            yield shown, "[redacted:credential]" if is_secret else self.of(value)

    def _text(self, text: str) -> str:
        if len(text) >= _LONG_DATA and not any(character.isspace() for character in text[:_LONG_DATA]):
            self._left -= _LONG_DATA // 64
            return f"[{len(text)} characters of data]"
        shown = self._redactor.bounded(text, self._left)
        self._left -= len(shown) + 2
        return shown


def tenant_patterns(patterns: Sequence[RedactionPattern]) -> tuple[Pattern, ...]:
    """Return what a tenant wants taken out. Raises ValueError for what the catalog would not have taken."""
    pairs = [(one.name, one.expression) for one in patterns]
    faults = [fault for name, expression in pairs if (fault := pattern_fault(name, expression))]
    if fault := next(iter(faults), None) or patterns_fault(pairs):
        raise ValueError(fault)
    return tuple(Pattern(name, re.compile(expression)) for name, expression in pairs)


def read_patterns(text: str) -> tuple[Pattern, ...]:
    """Return the patterns of a file: a name and a regular expression per line, `#` for remarks.

    Raises ValueError with the line that is wrong.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, expression = line.strip().partition(" ")
        if not re.fullmatch(r"[a-z0-9_]{1,40}", name) or not expression.strip():
            raise ValueError(f"line {number}: want a NAME of a-z, 0-9 and _, a space, and a regular expression")
        try:
            compiled = re.compile(expression.strip())
        except re.error as error:
            raise ValueError(f"line {number}: `{name}` is no regular expression: {error}") from None
        if compiled.search(""):
            raise ValueError(f"line {number}: `{name}` matches the empty text")
        found.append(Pattern(name, compiled))
    return tuple(found)
