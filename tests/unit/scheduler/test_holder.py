"""A holder's name tells whether its process has ended, where that can be known."""

import os
import subprocess
import sys
from pathlib import Path

from roundhouse_scheduler.holder import holder_name, is_gone


def test_a_living_process_is_not_gone() -> None:
    assert not is_gone(holder_name("scheduler-1", os.getpid()))


def test_a_process_that_ended_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = holder_name("scheduler-1", process.pid)
        assert not is_gone(name)
    assert is_gone(name)


def test_another_process_with_the_same_number_is_not_the_holder() -> None:
    machine, _, _ = holder_name("scheduler-1", os.getpid()).rpartition("/")
    assert is_gone(f"{machine}/1")


def test_of_another_machine_or_without_a_machine_nothing_is_known(tmp_path: Path) -> None:
    assert not is_gone("scheduler-1@other-boot/pid:[1]/1/1")
    assert not is_gone("scheduler-1")
    assert holder_name("scheduler-1", 1, proc=tmp_path) == "scheduler-1"
    assert not is_gone(holder_name("scheduler-1", os.getpid()), proc=tmp_path)
