"""How values that somebody sent stand in a message, and which name was probably meant."""

import difflib
import json
from collections.abc import Iterable

__all__ = ["did_you_mean", "quoted"]

_SHOWN_CHARACTERS = 80


def quoted(value: str) -> str:
    """Return the value as it may stand in a message: quoted, escaped, and not longer than a line."""
    shown = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 1] + "…"
    return json.dumps(shown, ensure_ascii=False).encode(errors="replace").decode()


def did_you_mean(wanted: str, known: Iterable[str], *, limit: int = 3) -> str:
    """Return ` Did you mean "x"?` for the names closest to `wanted`, or nothing when none is close."""
    by_folded = {name.casefold(): name for name in known}
    folded = wanted.casefold()
    close = difflib.get_close_matches(folded, by_folded, n=limit, cutoff=0.6)
    parts = [name for name in by_folded if name not in close and len(folded) >= 3 and folded in name]
    names = [quoted(by_folded[name]) for name in [*close, *sorted(parts)][:limit]]
    return f" Did you mean {' or '.join(names)}?" if names else ""
