"""What to run and how to stop it, as `roundhouse up` writes it and the supervisor reads it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ChildPlan", "Plan", "TaskPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """A program that must always run."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of the supervisor's own."""
    wait_port: int = 0
    """Start the programs after it only when this port accepts (or five seconds have passed); 0: do not."""
    wait_host: str = "127.0.0.1"
    stop_timeout_s: float = 10.0
    """From SIGTERM to SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """A program that runs once, at its place in the stop order."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything the supervisor is told."""

    data_dir: Path
    cookie: str
    """In the environment of every child: tells a leftover of this data directory from a stranger with its pid."""
    children: tuple[ChildPlan, ...]
    """In the order of their start."""
    tasks: tuple[TaskPlan, ...] = ()
    stop_order: tuple[str, ...]
    """Names of children and tasks; each step ends before the next begins."""

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    def dumps(self) -> str:
        return json.dumps({**asdict(self), "data_dir": str(self.data_dir)}, indent=1)

    @classmethod
    def loads(cls, text: str) -> "Plan":
        """Read what `dumps` wrote."""
        found: dict[str, Any] = json.loads(text)  # Any: JSON; the constructors below name every field
        return cls(
            data_dir=Path(found["data_dir"]),
            cookie=found["cookie"],
            children=tuple(ChildPlan(**{**child, "argv": tuple(child["argv"])}) for child in found["children"]),
            tasks=tuple(TaskPlan(**{**task, "argv": tuple(task["argv"])}) for task in found["tasks"]),
            stop_order=tuple(found["stop_order"]),
        )
