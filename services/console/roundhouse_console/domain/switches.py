"""Switches of models: how far each is, and which deployments can be switched to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

__all__ = ["STATES", "is_over", "room_of", "state_of", "switchable"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Tone = Literal["good", "busy", "warn", "bad", "quiet"]

STATES: Final[Mapping[str, tuple[str, Tone]]] = {
    "waiting": ("Waiting", "busy"),
    "evicting": ("Making room", "busy"),
    "starting": ("Starting", "busy"),
    "ready": ("Ready", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Called off", "quiet"),
}
"""The words of a state, and how it looks."""
_OVER: Final = frozenset(("ready", "failed", "cancelled"))


def state_of(switch: Found) -> tuple[str, Tone]:
    if switch["is_cancelling"] and not is_over(switch):
        return "Being called off", "busy"
    return STATES.get(switch["state"], (str(switch["state"]), "quiet"))


def is_over(switch: Found) -> bool:
    return switch["state"] in _OVER


def room_of(switch: Found) -> list[str]:
    """Return the names of those who made room; empty for one of another tenant."""
    return [one["name"] for one in switch["victims"]]


def switchable(deployments: Sequence[Found]) -> dict[str, str]:
    """Return the deployments that one can switch to, by id: those that are wanted. A stopped one is started first."""
    return {
        one["id"]: one["name"] for one in sorted(deployments, key=lambda one: one["name"]) if one["desired"] == "run"
    }
