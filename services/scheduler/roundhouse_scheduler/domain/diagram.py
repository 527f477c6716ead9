"""Draws the transition table as a Mermaid state diagram, for docs/replica-life-cycle.md."""

from roundhouse_common.contracts.scheduler import Phase
from roundhouse_scheduler.domain.transitions import TRANSITIONS

__all__ = ["render"]

_HEAD = """# The life of a replica

Generated from `services/scheduler/roundhouse_scheduler/domain/transitions.py` by
`python -m roundhouse_scheduler.domain.diagram > docs/replica-life-cycle.md`; a test compares the two.

What a node reports is taken as it is from every phase in which the replica has a node: an agent that restarts may see
any of them again. An event that has no edge from a phase is dropped there.

```mermaid
stateDiagram-v2
"""


def render() -> str:
    """Return the whole page."""
    merged: dict[tuple[str, str], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        merged.setdefault((before.value, after.value), []).append(event.value)
    lines = [f"    [*] --> {Phase.PENDING.value}: created"]
    lines += [f"    {a} --> {b}: {', '.join(sorted(events))}" for (a, b), events in sorted(merged.items())]
    lines.append(f"    {Phase.STOPPED.value} --> [*]")
    table = ["", "| phase | event | next |", "|---|---|---|"]
    table += [f"| {a.value} | {e.value} | {b.value} |" for (a, e), b in sorted(TRANSITIONS.items())]
    return _HEAD + "\n".join(lines) + "\n```\n" + "\n".join(table) + "\n"


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201  (a generator's output)
