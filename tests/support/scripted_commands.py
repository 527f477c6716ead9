"""Vendors' commands that answer what a test gives them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from roundhouse_common.runtime import SystemClock
from roundhouse_node_agent.devices.commands import Answer, Commands
from tests.support.device_samples import sample

__all__ = ["ScriptedCommands"]


class ScriptedCommands(Commands):
    """`answers`: a command line, or its beginning, to a text, or to the path of a sample. Others end with an error."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__(SystemClock())
        self.answers = dict(answers)
        self.asked: list[str] = []

    def find(self, names: Sequence[str], directories: Sequence[str] = ()) -> str | None:
        there = {line.split(" ")[0] for line in self.answers}
        return next((f"/opt/{name}" for name in names if name in there), None)

    def run(self, command: Sequence[str], *, libraries: Sequence[str] = ()) -> Answer:
        line = " ".join([Path(command[0]).name, *command[1:]])
        self.asked.append(line)
        known = [start for start in self.answers if line == start or (line.startswith(f"{start} ") and " " in start)]
        if not known:
            return Answer(error=f"{line.split(' ')[0]} ended with code 1: unknown option")
        answer = self.answers[max(known, key=len)]
        return Answer(text=sample(answer) if answer.endswith((".txt", ".json")) else answer)
