"""Waiting for services that were started."""

from pathlib import Path

import pytest

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Failure
from roundhouse_cli.local.bring_up import wait_until_ready
from roundhouse_cli.local.files import private_dir
from roundhouse_cli.local.layout import DataDir
from roundhouse_cli.rest import Services
from roundhouse_cli.steps import Steps
from roundhouse_cli.supervisor.records import SUPERVISOR, ProcessRecord, write_record
from roundhouse_common.runtime import SystemClock

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize("doing", ["stopping router", None])
@pytest.mark.timeout(20)
def test_who_waits_for_a_start_ends_when_it_is_stopped(tmp_path: Path, doing: str | None) -> None:
    data_dir = DataDir(private_dir(tmp_path / "data"))
    private_dir(data_dir.run)
    if doing is not None:
        write_record(data_dir.run, ProcessRecord(name=SUPERVISOR, pid=1, start_ticks=1, doing=doing))
    connection = Connection(router_url=NOWHERE, catalog_url=NOWHERE, scheduler_url=NOWHERE, metering_url=NOWHERE)
    clock = SystemClock()
    with (
        Services(connection) as services,
        Steps(clock).step("Starting") as step,
        pytest.raises(Failure, match="stopped while it was starting"),
    ):
        wait_until_ready([services.catalog], data_dir, clock, step)
