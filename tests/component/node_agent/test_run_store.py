"""What a state directory remembers: made once, pruned, found again, held by one."""

import resource
import signal
import threading
from pathlib import Path

import pytest

from roundhouse_common.runtime import SystemIds
from roundhouse_node_agent.domain.errors import LaunchFailed, StateDirUnusable
from roundhouse_node_agent.processes.identity import ProcessTable
from roundhouse_node_agent.processes.launcher import ShimOrder, start_shim
from roundhouse_node_agent.processes.records import ExitFile, LaunchFile, NodeFile, read_file, write_file
from roundhouse_node_agent.processes.run_store import RunStore
from roundhouse_node_agent.processes.state_dir import StateDir
from tests.support.scheduler_stub import an_assignment

IDS = SystemIds()


def a_launch(attempt: int = 1, replica_id: str = "rep_1", cookie: str = "c") -> LaunchFile:
    assignment = an_assignment(replica_id, attempt=attempt)
    return LaunchFile(assignment=assignment, epoch=1, cookie=cookie, port=1, base_url="http://127.0.0.1:1")


def an_order(cookie: str) -> ShimOrder:
    argv = ("/bin/sleep", "60")
    return ShimOrder(argv=argv, env={}, segment_bytes=1000, segments=2, grace_s=1, cookie=cookie, attempt=1)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path, ProcessTable())


def test_a_run_is_made_once(store: RunStore) -> None:
    launch = a_launch()
    store.create(launch.assignment, 1, launch)
    with pytest.raises(LaunchFailed, match="attempt 1 was already started on this node"):
        store.create(launch.assignment, 1, launch)


def test_a_new_run_ends_what_nobody_watches_of_the_former(store: RunStore, tmp_path: Path) -> None:
    stray = store.create(a_launch().assignment, 1, a_launch())
    watched = a_launch(replica_id="rep_2", cookie="d")
    other = store.create(watched.assignment, 1, watched)
    shims = [start_shim(stray, an_order("c")), start_shim(other, an_order("d"))]
    try:
        store.create(a_launch(2).assignment, 1, a_launch(2))
        assert shims[0].wait(5) == -signal.SIGKILL
        assert [run.directory for run in store.running()] == [other]
    finally:
        for shim in shims:
            shim.kill()
            shim.wait()


def test_a_shim_that_wrote_down_the_end_runs_until_it_is_gone(store: RunStore) -> None:
    run = store.create(a_launch().assignment, 1, a_launch())
    shim = start_shim(run, an_order("c"))
    try:
        write_file(run.exit_file, ExitFile(at=1.0, code=0, signal=None, was_asked=True))
        assert [stored.directory for stored in store.running()] == [run]
    finally:
        shim.kill()
        shim.wait()
    assert store.running() == []


def test_a_disk_that_takes_half_a_record_keeps_the_record_before_it(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    write_file(path, NodeFile(node_id="nod_1", highest_epoch=7))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))  # 16 bytes are taken, then none: like a full disk
    try:
        with pytest.raises(StateDirUnusable, match="cannot write"):
            write_file(path, NodeFile(node_id="nod_1", highest_epoch=8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_file(path, NodeFile) == NodeFile(node_id="nod_1", highest_epoch=7)


def test_what_is_written_is_for_the_owner_only_since_it_holds_the_engines_key(store: RunStore) -> None:
    run = store.create(a_launch().assignment, 1, a_launch())
    assert run.launch_file.stat().st_mode & 0o777 == 0o600


def test_of_a_replica_that_fails_for_days_only_the_last_runs_are_kept(store: RunStore) -> None:
    for attempt in range(1, 31):
        launch = a_launch(attempt)
        run = store.create(launch.assignment, 1, launch)
    assert len(list(run.path.parent.iterdir())) == 8
    assert [stored.launch.assignment.attempt for stored in store.newest()] == [30]


def test_histories_are_kept_up_to_a_number_and_are_not_taken_up_again(store: RunStore, tmp_path: Path) -> None:
    for number in range(5):
        launch = a_launch(replica_id=f"rep_{number}")
        store.create(launch.assignment, 1, launch)
        store.forget(f"rep_{number}", keep=2)
    assert sorted(path.name for path in (tmp_path / "replicas").iterdir()) == ["rep_3", "rep_4"]
    assert store.newest() == []


def test_a_record_that_is_no_record_is_not_taken_up(store: RunStore) -> None:
    run = store.create(a_launch().assignment, 1, a_launch())
    run.launch_file.write_text('{"half":')
    assert store.newest() == []


def test_an_id_that_is_no_file_name_is_refused(store: RunStore) -> None:
    launch = a_launch(replica_id="../evil")
    with pytest.raises(LaunchFailed, match="is no replica id"):
        store.create(launch.assignment, 1, launch)


def test_a_directory_keeps_its_nodes_id_and_epoch_and_belongs_to_no_other_node(tmp_path: Path) -> None:
    first = StateDir.open(tmp_path / "state", node_id="", ids=IDS)
    first.keep_epoch(7)
    first.close()
    again = StateDir.open(tmp_path / "state", node_id=first.node_id, ids=IDS)
    assert (again.node_id, again.highest_epoch) == (first.node_id, 7)
    again.close()
    with pytest.raises(StateDirUnusable, match="belongs to node nod_"):
        StateDir.open(tmp_path / "state", node_id="nod_other", ids=IDS)


def test_a_directory_has_one_agent_at_a_time(tmp_path: Path) -> None:
    first = StateDir.open(tmp_path, node_id="", ids=IDS)
    with pytest.raises(StateDirUnusable, match="another node agent"):
        StateDir.open(tmp_path, node_id="", ids=IDS)
    first.close()
    StateDir.open(tmp_path, node_id="", ids=IDS).close()


def test_a_directory_whose_lock_outlives_its_agent_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    first = StateDir.open(tmp_path, node_id="", ids=IDS)
    ending = threading.Timer(0.2, first.close)
    ending.start()
    StateDir.open(tmp_path, node_id="", ids=IDS).close()
    ending.join()


def test_a_damaged_identity_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    StateDir.open(tmp_path, node_id="", ids=IDS).close()
    (tmp_path / "node.json").write_text("")
    with pytest.raises(StateDirUnusable, match=r"node\.json cannot be read"):
        StateDir.open(tmp_path, node_id="", ids=IDS)
