"""Which passwords are strong enough. No rules on kinds of characters: they make people write `Password1!`."""

import re
import unicodedata

from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["LEAST_CHARACTERS", "MOST_CHARACTERS", "check_new_password", "normalised"]

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256
_LEAST_DIFFERENT = 6
_LEAST_OF_OWN = 6
_FOLDED = str.maketrans("@4301!$5", "aaeoliss")
_WORDS = (
    *("password", "passwort", "passw", "roundhouse", "administrator", "admin", "welcome", "letmein", "qwertyuiop"),
    *("qwertz", "qwerty", "asdfghjkl", "asdfgh", "zxcvbnm", "iloveyou", "sunshine", "princess", "football", "baseball"),
    *("dragon", "monkey", "superman", "batman", "trustno", "changeme", "change", "default", "secret", "master"),
    *("login", "test", "abc", "abcdefgh", "hello", "shadow", "whatever", "computer", "internet", "server", "user"),
)
_COMMON = re.compile("|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)))
_RUNS = ("0123456789" * 2, "9876543210" * 2, "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_RUN = 4


def normalised(password: str) -> str:
    """Return the password as it is hashed: the same however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password)


def check_new_password(password: str, *, login_name: str, old: str = "", field: str = "new_password") -> None:
    """Raise InvalidInput that says what is weak in it, never the password itself."""
    fault = _fault(normalised(password), login_name.casefold())
    if normalised(password) == normalised(old):
        fault = "it is the one that there is; choose another"
    if fault is not None:
        raise InvalidInput(f"{field}: {fault}", FieldError(field, fault))


def _fault(password: str, login_name: str) -> str | None:
    length = len(password)
    if not LEAST_CHARACTERS <= length <= MOST_CHARACTERS:
        return f"it has {length} characters; {LEAST_CHARACTERS} to {MOST_CHARACTERS} are wanted, spaces count too"
    if len(set(password)) < _LEAST_DIFFERENT:
        return f"it has fewer than {_LEAST_DIFFERENT} different characters"
    folded = password.casefold()
    if len(login_name) >= 3 and login_name in folded:
        return "it contains the login name; choose another"
    rest = _COMMON.sub("", _without_runs(folded).translate(_FOLDED))
    if len(rest) < _LEAST_OF_OWN or len(_without_runs(_COMMON.sub("", folded.translate(_FOLDED)))) < _LEAST_OF_OWN:
        return (
            "it is made of words and rows of characters that are tried first; several words that do not belong together"
            " are good"
        )
    return None


def _without_runs(text: str) -> str:
    """Return what is left without rows such as `1234` and `rrrr`."""
    kept: list[str] = []
    position = 0
    while position < len(text):
        length = _run_at(text, position)
        if length < _RUN:
            kept.append(text[position])
            length = 1
        position += length
    return "".join(kept)


def _run_at(text: str, start: int) -> int:
    """Return how many characters from `start` are one row."""
    best = 1
    for end in range(start + 2, len(text) + 1):
        piece = text[start:end]
        if len(set(piece)) > 1 and not any(piece in run for run in _RUNS):
            break
        best = end - start
    return best
