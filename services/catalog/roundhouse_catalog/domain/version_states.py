"""What the scheduler says of versions, and what follows from it for what may be done with them."""

from collections.abc import Mapping

from roundhouse_common.contracts.scheduler import VersionState

__all__ = ["States", "is_active", "name_states"]

States = Mapping[str, VersionState]
"""By version id. A version that is not in it never ran, or nothing of it is left: it is stopped."""

_ACTIVE = frozenset({VersionState.PREPARING, VersionState.RUNNING, VersionState.SHUTTING_DOWN, VersionState.UNKNOWN})
"""UNKNOWN is a state that a newer scheduler knows: what cannot be judged is left alone."""


def is_active(state: VersionState) -> bool:
    """Whether replicas of it exist or come: Error and Stopped are inactive."""
    return state in _ACTIVE


def name_states(states: States) -> str:
    """Name the active ones of the states."""
    return " and ".join(sorted({state.value for state in states.values() if is_active(state)}))
