"""Client bodies into typed requests; what does not fit is refused with its place."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from roundhouse_router.domain.errors import BadBody
from roundhouse_router.domain.request import ParsedRequest

__all__ = ["Asked", "dotted", "read_as", "refuse"]

T = TypeVar("T")


class Asked(ParsedRequest):
    """A request that keeps its translation: it is judged before admission, and may be sent more than once."""

    __slots__ = ("_translated",)
    _translated: bytes

    def translated(self, translate: Callable[[ParsedRequest], bytes]) -> bytes:
        """Return the translation. Raises what `translate` raises, each time."""
        try:
            return self._translated
        except AttributeError:
            self._translated = translate(self)
            return self._translated


_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<place>.*)`)?$", re.DOTALL)
_INDEX: Final = re.compile(r"\[(\d+)\]")
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>.*)`$")


def read_as(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Return the typed body. Raises BadBody, whose message begins with the place: `messages.0.content: ...`."""
    try:
        return decoder.decode(body)
    except RecursionError:
        raise BadBody("The body is nested too deeply.", code="invalid_json") from None
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"The body is not valid JSON: {error}", code="invalid_json") from None


def refuse(place: str, why: str) -> BadBody:
    """Return the refusal of one member."""
    return BadBody(f"{place}: {why}", param=place, code="unsupported_parameter")


def dotted(place: str) -> str:
    """Return `messages[0].content` as `messages.0.content`."""
    return _INDEX.sub(r".\1", place).lstrip(".")


def _wrong(told: str) -> BadBody:
    found = _PLACE.match(told)
    what, place = (found["what"], dotted(found["place"] or "")) if found else (told, "")
    missing = _MISSING.match(what)
    if missing:
        place, what = f"{place}.{missing['name']}".lstrip("."), "a value is required"
    code = "missing_required_parameter" if missing else "invalid_type"
    return BadBody(f"{place}: {what}" if place else what, param=place or None, code=code)
