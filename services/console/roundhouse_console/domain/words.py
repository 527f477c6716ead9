"""The console's languages. English words are the keys; Chinese ones are in `roundhouse_console.words`."""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["LANGUAGES", "chosen_language", "translated"]

_PLACE: Final = re.compile(r"\{(\w+)(?:([:|])([^{}|]*)\|([^{}|]*))?\}")
"""`{n}` is a value; `{n|node|nodes}` the value and the word that goes with it; `{n:node|nodes}` only that word."""
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh": "中文"}


def chosen_language(preferred: str, accepted: str) -> str:
    """Return a language: the one that somebody chose, else the first of their browser's that there is, else English.

    `accepted` is an Accept-Language header (RFC 9110); its order counts, its weights do not.
    """
    if preferred in LANGUAGES:
        return preferred
    for part in accepted.split(","):
        language = part.partition(";")[0].strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return "en"


def translated(text: str, language: str, chinese: Mapping[str, str], /, **values: object) -> str:
    """Return a text in a language, English where it has none, with `{name}` replaced by the values.

    `{count|node|nodes}` is `1 node` or `2 nodes`: languages without a plural have `{count}` there.
    """
    found = chinese.get(text, text) if language == "zh" else text
    if not values:
        return found

    def filled(place: re.Match[str]) -> str:
        if place[1] not in values:
            return place[0]
        value = str(values[place[1]])
        if place[2] is None:
            return value
        word = place[3] if value == "1" else place[4]
        return f"{value} {word}" if place[2] == "|" else word

    return _PLACE.sub(filled, found)
