"""What a node does about model files: who goes first, who waits, what is kept and what is deleted."""

from typing import Any

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, Peer
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.model_files import (
    Action,
    DropParts,
    Failure,
    Fetch,
    Held,
    Interrupt,
    Need,
    Plan,
    Remove,
    Running,
    View,
    decide,
    retry_pause_s,
    wanted_of,
)

NOW = 1_000.0
PEER = Peer(node_id="nod_2", url="http://127.0.0.1:1", token="t")
WHOLE = Held(is_whole=True)
PARTS = Held(is_whole=False, has_parts=True)
NOTHING = Held(is_whole=False)


def a_source(name: str) -> ModelSource:
    return ModelSource(kind=SourceKind.HUGGING_FACE, uri=f"acme/{name}")


def key(name: str) -> str:
    return source_key(a_source(name))


def an_order(name: str, wish: FileWish = FileWish.FETCH, **changes: Any) -> FileOrder:
    order_id = changes.pop("order_id", f"ord_{name}")
    return FileOrder(order_id=order_id, name=name, source=a_source(name), wish=wish, **changes)


def a_need(name: str, since: float = NOW - 10.0, **changes: Any) -> Need:
    return Need(source=a_source(name), name=name, since=since, **changes)


def plan(orders: list[FileOrder], needs: list[Need] | None = None, **view: Any) -> Plan:
    by_name: dict[str, Any] = {
        field: {key(name): value for name, value in view.pop(field, {}).items()} for field in _KEYED
    }
    used = frozenset(key(name) for name in view.pop("used", ()))
    return decide(View(wanted=wanted_of(orders, needs or []), used=used, **by_name, **view), NOW)


_KEYED = ("held", "running", "failures")


def state(found: Plan, name: str) -> FilesState | None:
    standing = found.standings.get(key(name))
    return standing.state if standing is not None else None


@pytest.mark.parametrize(
    ("wish", "held", "is_running", "expected", "stands"),
    [
        (FileWish.FETCH, None, False, Fetch, FilesState.FETCHING),
        (FileWish.FETCH, PARTS, False, Fetch, FilesState.FETCHING),
        (FileWish.FETCH, PARTS, True, None, FilesState.FETCHING),
        (FileWish.FETCH, WHOLE, False, None, FilesState.READY),
        (FileWish.PAUSE, PARTS, True, Interrupt, FilesState.PAUSED),
        (FileWish.PAUSE, PARTS, False, None, FilesState.PAUSED),
        (FileWish.PAUSE, None, False, None, FilesState.PAUSED),
        (FileWish.PAUSE, WHOLE, False, None, FilesState.READY),
        (FileWish.CANCEL, PARTS, True, Interrupt, None),
        (FileWish.CANCEL, PARTS, False, DropParts, None),
        (FileWish.CANCEL, None, False, None, None),
        (FileWish.CANCEL, WHOLE, False, None, FilesState.READY),
        (FileWish.REMOVE, PARTS, True, Interrupt, None),
        (FileWish.REMOVE, PARTS, False, Remove, None),
        (FileWish.REMOVE, WHOLE, False, Remove, FilesState.READY),
        (FileWish.REMOVE, None, False, None, None),
        (FileWish.UNKNOWN, PARTS, False, None, FilesState.PAUSED),
    ],
)
def test_one_order(
    wish: FileWish, held: Held | None, is_running: bool, expected: type[Action] | None, stands: FilesState | None
) -> None:
    running = {"a": Running(started_at=NOW - 5)} if is_running else {}
    found = plan([an_order("a", wish)], held={"a": held} if held is not None else {}, running=running)
    assert [type(action) for action in found.actions] == ([expected] if expected is not None else [])
    assert state(found, "a") is stands


def test_what_nobody_orders_is_left_as_it_is() -> None:
    found = plan([], held={"whole": WHOLE, "half": PARTS, "empty": NOTHING})
    assert found.actions == ()
    assert state(found, "whole") is FilesState.READY
    assert state(found, "half") is FilesState.PAUSED
    assert state(found, "empty") is None


def test_a_transfer_that_nobody_wants_any_more_ends_and_keeps_what_it_has() -> None:
    found = plan([], running={"a": Running(started_at=NOW)}, held={"a": PARTS})
    assert found.actions == (Interrupt(key=key("a")),)


def test_first_come_first_served_and_no_more_at_once_than_allowed() -> None:
    orders = [an_order(name, order_id=f"ord_{number}") for number, name in enumerate("cab")]
    found = plan(orders, at_once=2)
    assert found.actions == (Fetch(key=key("c")), Fetch(key=key("a")))
    assert state(found, "b") is FilesState.WAITING
    assert plan(orders, at_once=2, running={"x": Running(started_at=NOW, is_ending=True)}).actions == (
        Fetch(key=key("c")),
    )


def test_what_a_replica_needs_goes_first() -> None:
    found = plan([an_order("a"), an_order("b")], [a_need("b")], at_once=1)
    assert found.actions == (Fetch(key=key("b")),)
    assert "replicas need" in found.standings[key("a")].detail


def test_what_a_replica_needs_interrupts_the_youngest_prefetch() -> None:
    running = {"a": Running(started_at=1.0), "b": Running(started_at=2.0)}
    orders = [an_order("a"), an_order("b")]
    found = plan(orders, [a_need("c")], running=running, at_once=2)
    assert found.actions == (Interrupt(key=key("b")),)
    assert state(found, "b") is FilesState.WAITING
    assert state(found, "c") is FilesState.WAITING
    running["b"] = Running(started_at=2.0, is_ending=True)
    assert plan(orders, [a_need("c")], running=running, at_once=2).actions == ()


def test_two_replicas_needs_do_not_interrupt_each_other() -> None:
    running = {"a": Running(started_at=1.0)}
    found = plan([], [a_need("a", NOW - 20), a_need("b")], running=running, at_once=1)
    assert found.actions == ()
    assert state(found, "b") is FilesState.WAITING


def test_a_pause_holds_for_replicas_too() -> None:
    found = plan([an_order("a", FileWish.PAUSE)], [a_need("a")], held={"a": PARTS})
    assert found.actions == ()
    assert state(found, "a") is FilesState.PAUSED


@pytest.mark.parametrize("wish", [FileWish.CANCEL, FileWish.REMOVE])
def test_a_replica_that_waits_outweighs_a_cancelled_order(wish: FileWish) -> None:
    assert plan([an_order("a", wish)], [a_need("a")], held={"a": PARTS}).actions == (Fetch(key=key("a")),)


def test_files_in_use_are_not_removed() -> None:
    found = plan([an_order("a", FileWish.REMOVE)], held={"a": WHOLE}, used=("a",))
    assert found.actions == ()
    assert "as soon as no replica uses it" in found.standings[key("a")].detail
    assert plan([an_order("a", FileWish.REMOVE)], [a_need("a")], held={"a": WHOLE}).actions == ()


def test_of_several_orders_for_one_source_who_wants_most_decides() -> None:
    orders = [an_order("a", FileWish.REMOVE, order_id="ord_1"), an_order("a", FileWish.FETCH, order_id="ord_2")]
    wanted = wanted_of(orders, [])[key("a")]
    assert (wanted.wish, wanted.order_id) == (FileWish.FETCH, "ord_2")


def test_a_failure_waits_longer_every_time_and_is_shown() -> None:
    assert [retry_pause_s(count) for count in (1, 2, 3, 30)] == [5.0, 10.0, 20.0, 300.0]
    failure = Failure(at=NOW - 4, attempt=1, count=1, message="the line went dead", is_retryable=True)
    found = plan([an_order("a")], failures={"a": failure})
    assert found.actions == ()
    assert state(found, "a") is FilesState.WAITING
    assert "the line went dead" in found.standings[key("a")].detail
    later = Failure(at=NOW - 5, attempt=1, count=1, message="x", is_retryable=True)
    assert plan([an_order("a")], failures={"a": later}).actions == (Fetch(key=key("a")),)


def test_a_final_failure_is_tried_again_only_when_asked_or_for_a_new_replica() -> None:
    final = Failure(at=NOW - 4000, attempt=1, count=1, message="no such model", is_retryable=False)
    found = plan([an_order("a")], failures={"a": final})
    assert (found.actions, state(found, "a")) == ((), FilesState.FAILED)
    assert plan([an_order("a", attempt=2)], failures={"a": final}).actions == (Fetch(key=key("a")),)
    assert plan([], [a_need("a", NOW - 5000)], failures={"a": final}).actions == ()
    assert plan([], [a_need("a", NOW - 1)], failures={"a": final}).actions == (Fetch(key=key("a")),)


def test_a_failed_transfer_does_not_hold_up_others() -> None:
    failure = Failure(at=NOW, attempt=1, count=1, message="x", is_retryable=True)
    found = plan([an_order("a"), an_order("b")], failures={"a": failure}, at_once=1)
    assert found.actions == (Fetch(key=key("b")),)


def test_a_transfer_begun_without_peers_starts_again_when_a_node_has_the_files() -> None:
    needs = [a_need("a")]
    hint = FileOrder(order_id="", name="a", source=a_source("a"), peers=(PEER,))
    assert plan([hint], needs, running={"a": Running(started_at=NOW)}).actions == (Interrupt(key=key("a")),)
    assert plan([hint], needs, running={"a": Running(started_at=NOW, had_peers=True)}).actions == ()
    assert wanted_of([hint], needs)[key("a")].peers == (PEER,)
    assert wanted_of([hint], []) == {}
