"""What went wrong, in the language of who reads it: pages say it, and so do answers outside of pages."""

from typing import Final

from roundhouse_console.domain.errors import ConsoleError, Refused, Unreachable
from roundhouse_console.domain.words import translated
from roundhouse_console.words import CHINESE, REFUSALS

__all__ = ["refusal_title", "told_in"]

_CHANGED_SINCE: Final = 412
_SERVER_ERROR: Final = 500
_UNKNOWN: Final = "请求被拒绝"
_UNKNOWN_FAULT: Final = "服务出错"


def refusal_title(code: str, status: int, language: str) -> str:
    """Return what a service's code means; empty in English, where its own sentence says it."""
    if language != "zh":
        return ""
    return REFUSALS.get(code) or (_UNKNOWN_FAULT if status >= _SERVER_ERROR else _UNKNOWN)


def told_in(language: str, error: ConsoleError) -> str:
    """Return the whole reason as text, with the fields at fault and what support is asked for.

    Services speak English: in other languages a title in the reader's comes first, on a line of its own.
    """

    def t(text: str, **values: object) -> str:
        return translated(text, language, CHINESE, **values)

    if isinstance(error, Unreachable):
        return t("The {service} does not answer. What it shows is missing until it is back.", service=error.service)
    if not isinstance(error, Refused):
        return t(str(error))
    if error.status == _CHANGED_SINCE:
        return t(
            "Somebody else changed this since you opened it. Nothing was saved: load the page again, then change it."
        )
    lines = [refusal_title(error.code, error.status, language), str(error)]
    lines += [f"{one.field}: {one.message}" for one in error.faults if one.message not in str(error)]
    if error.status >= _SERVER_ERROR and error.request_id:
        lines.append(t("Request {id}", id=error.request_id))
    return "\n".join(filter(None, lines))
