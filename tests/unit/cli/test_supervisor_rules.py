"""What the supervisor decides without looking at a process."""

from pathlib import Path

import pytest

from roundhouse_cli.supervisor.child import describe_exit, restart_delay_s
from roundhouse_cli.supervisor.logfile import RotatingFile
from roundhouse_cli.supervisor.plan import ChildPlan, Plan, TaskPlan


def test_the_first_restart_is_at_once_and_later_ones_wait_up_to_five_seconds() -> None:
    assert [restart_delay_s(failures) for failures in range(1, 9)] == [0, 0.25, 0.5, 1, 2, 4, 5, 5]
    assert restart_delay_s(10_000) == 5


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by SIGKILL"), (-250, "killed by signal 250")],
)
def test_exit_codes_are_said_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_a_plan_survives_its_file() -> None:
    plan = Plan(
        data_dir=Path("/somewhere"),
        cookie="cookie",
        children=(ChildPlan(name="nats", argv=("nats", "-c"), environment={"A": "b"}, wait_port=4222),),
        tasks=(TaskPlan(name="engines", argv=("stop",)),),
        stop_order=("engines", "nats"),
    )

    assert Plan.loads(plan.dumps()) == plan


def test_a_log_is_kept_below_its_bound(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "a.log", max_bytes=100, kept=2)

    for number in range(100):
        log.write(b"%029d\n" % number)
    log.close()

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.log", "a.log.1", "a.log.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    last = b"".join((tmp_path / name).read_bytes() for name in reversed(names)).splitlines()
    assert [int(line) for line in last] == list(range(100 - len(last), 100))


def test_a_log_goes_on_after_a_restart_of_its_writer(tmp_path: Path) -> None:
    for _ in range(2):
        log = RotatingFile(tmp_path / "a.log", max_bytes=100)
        log.write(b"x" * 40)
        log.close()

    assert (tmp_path / "a.log").read_bytes() == b"x" * 80


def test_a_log_that_cannot_be_written_is_silent(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "missing" / "a.log")

    log.write(b"lost")

    assert not (tmp_path / "missing").exists()
