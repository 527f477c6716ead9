"""From what a person typed to what the catalog takes: how a deployment is placed, rolled out and scaled."""

from roundhouse_cli.errors import UsageFault
from roundhouse_cli.rest import Item
from roundhouse_cli.units import parse_bytes, parse_duration, parse_settings

__all__ = ["given", "seconds", "settings_of", "size"]


def given(**values: object) -> Item:
    """Return what was stated, so that the rest stays with the template or the default."""
    return {name: value for name, value in values.items() if value is not None}


def settings_of(pairs: list[str] | None, option: str) -> dict[str, str] | None:
    """Read repeated KEY=VALUE options; None when there are none."""
    return parse_settings(pairs, option) if pairs else None


def size(text: str) -> int | None:
    """Read a size; None when nothing was stated."""
    return parse_bytes(text) if text else None


def seconds(text: str, option: str) -> float | None:
    """Read a duration, or plain seconds; None when nothing was stated."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_duration(text)
    except UsageFault as error:
        raise UsageFault(f"{option}: {error}") from None
