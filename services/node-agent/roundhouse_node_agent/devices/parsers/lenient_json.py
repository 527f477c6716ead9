"""JSON as hyhal's tools print it: commas missing, words without quotes, keys twice. Whatever can be read, is."""

import json
import re

__all__ = ["read_json"]

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{}\[\]:,])|([^\s{}\[\]:,"]+)')
_DEEPEST = 32
_Value = object


def read_json(text: str) -> _Value:
    """Return what a text holds; of something broken, what can be told. Starts at the first brace or bracket: some tools
    print warnings before. None when there is nothing."""
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        value: _Value = json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return _Reader(text[start:]).value(0)
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [(found[1], found[2] or "", found[3]) for found in _TOKEN.finditer(text)]
        self._at = 0

    def value(self, depth: int) -> _Value:
        if depth > _DEEPEST or self._at >= len(self._tokens):
            self._at = len(self._tokens)
            return None
        quoted, mark, bare = self._tokens[self._at]
        if mark == "{":
            return self._object(depth)
        if mark == "[":
            return self._list(depth)
        if mark == "}" or mark == "]":
            return None
        self._at += 1
        return self.value(depth) if mark else quoted if quoted is not None else bare

    def _object(self, depth: int) -> dict[str, _Value]:
        self._at += 1
        found: dict[str, _Value] = {}
        while self._at < len(self._tokens):
            quoted, mark, bare = self._tokens[self._at]
            self._at += 1
            if mark == "}":
                break
            if not mark and self._mark() == ":":
                self._at += 1
                found[quoted if quoted is not None else bare] = self.value(depth + 1)
        return found

    def _list(self, depth: int) -> list[_Value]:
        self._at += 1
        found: list[_Value] = []
        while self._at < len(self._tokens):
            mark = self._mark()
            if mark in ("]", ",", ":", "}"):
                self._at += 1
                if mark == "]":
                    break
            else:
                found.append(self.value(depth + 1))
        return found

    def _mark(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""
