"""Templates of deployments as people edit and compare them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from roundhouse_console.domain.deploying import Draft, settings_of, version_of

__all__ = ["About", "about_of", "changes", "made_from", "patterns_of", "recipe_of", "suits_text"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
_NOT_OF_THE_RECIPE: Final = ("id", "name", "number", "created_at", "created_by")


@dataclass(slots=True, kw_only=True)
class About:
    """What a template says beside what a deployment has."""

    description: str = ""
    kinds: list[str] = field(default_factory=list)
    names: str = ""
    """Patterns, with commas between."""
    architectures: str = ""
    is_evictable: bool = False


def about_of(template: Found | None) -> About:
    if template is None:
        return About()
    suits = template["suits"]
    return About(
        description=template["description"],
        kinds=list(suits["kinds"]),
        names=", ".join(suits["names"]),
        architectures=", ".join(suits["architectures"]),
        is_evictable=template["is_evictable"],
    )


def recipe_of(draft: Draft, about: About, known: Found | None) -> dict[str, Any]:
    """Return the whole of a number: what the form shows, and of the number before what it does not show."""
    kept = {name: value for name, value in (known or {}).items() if name not in _NOT_OF_THE_RECIPE}
    return {
        **kept,
        **version_of(draft),
        **settings_of(draft),
        "description": about.description.strip(),
        "suits": {
            "kinds": about.kinds,
            "names": patterns_of(about.names),
            "architectures": patterns_of(about.architectures),
        },
        "is_evictable": about.is_evictable,
    }


def patterns_of(text: str) -> list[str]:
    return [one for one in (part.strip() for part in text.split(",")) if one]


def suits_text(template: Found, say: Callable[[str], str]) -> str:
    """Return what a template is for in a line; empty: for any model. `say` has the words of kinds."""
    suits = template["suits"]
    return ", ".join([*map(say, suits["kinds"]), *suits["names"], *suits["architectures"]])


def changes(before: Found, after: Found) -> list[tuple[str, str, str]]:
    """Return what differs between two numbers: where, and what it was and is; empty where there was nothing."""
    was, now = _flat(before), _flat(after)
    return [
        (place, was.get(place, ""), now.get(place, ""))
        for place in sorted({*was, *now})
        if was.get(place, "") != now.get(place, "")
    ]


def made_from(name: str, deployments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the deployments whose active version was made from a template, whichever number of it."""
    return [
        one for one in deployments if ((one["active_version"] or {}).get("template") or "").partition("@")[0] == name
    ]


def _flat(template: Found) -> dict[str, str]:
    found: dict[str, str] = {}

    def walk(place: str, value: object) -> None:
        if isinstance(value, Mapping):
            for name, one in value.items():
                walk(f"{place}.{name}" if place else str(name), one)
        elif isinstance(value, list):
            for index, one in enumerate(value):
                walk(f"{place}[{index}]", one)
        elif value not in (None, ""):
            found[place] = str(value)

    walk("", {name: value for name, value in template.items() if name not in _NOT_OF_THE_RECIPE})
    return found
