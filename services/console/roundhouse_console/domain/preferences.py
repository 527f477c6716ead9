"""What a browser prefers, from its cookies: nothing secret, written by the page itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from roundhouse_console.domain.times import known_zone, zone
from roundhouse_console.domain.words import chosen_language

__all__ = ["Preferences", "Theme", "preferences_of"]

Theme = Literal["light", "dark", "auto"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """How to show things."""

    language: str
    theme: Theme
    tz: ZoneInfo
    is_zone_chosen: bool = False
    """Whether the person chose the time zone; else it is the browser's."""

    @property
    def is_dark(self) -> bool | None:
        """What Quasar is told; None follows the system."""
        return {"light": False, "dark": True}.get(self.theme)


def preferences_of(cookies: Mapping[str, str], accepted_languages: str) -> Preferences:
    """Return the preferences; what is missing or makes no sense is the system's."""
    theme = cookies.get("rh_theme", "auto")
    chosen = known_zone(_said(cookies, "rh_zone_chosen"))
    return Preferences(
        language=chosen_language(cookies.get("rh_language", ""), accepted_languages),
        theme=theme if theme in ("light", "dark") else "auto",  # type: ignore[arg-type]  # narrowed by the test
        tz=chosen or zone(_said(cookies, "rh_zone")),
        is_zone_chosen=chosen is not None,
    )


def _said(cookies: Mapping[str, str], name: str) -> str:
    return unquote(cookies.get(name, ""))
