"""Labels as people type them."""

from roundhouse_console.domain.errors import Unfit

__all__ = ["labels_of", "labels_text"]


def labels_of(text: str) -> dict[str, str]:
    """Return the labels of `a=1, b=2`. Raises ValueError, with a sentence for the person, for what is none."""
    found: dict[str, str] = {}
    for part in (one.strip() for one in text.split(",")):
        name, sign, value = part.partition("=")
        if not part:
            continue
        if not sign or not name.strip():
            raise Unfit("“{part}” is no label; write them as name=value, with commas between.", part=part)
        found[name.strip()] = value.strip()
    return found


def labels_text(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
