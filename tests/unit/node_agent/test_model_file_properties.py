"""What holds for model files whatever is wanted, held, running and failed before."""

from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import FileOrder, FilesState, FileWish, Peer
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.domain.model_files import (
    DropParts,
    Failure,
    Fetch,
    Held,
    Interrupt,
    Need,
    Remove,
    Running,
    View,
    decide,
    is_blocked,
    wanted_of,
)

NOW = 10_000.0
SOURCES = {name: ModelSource(kind=SourceKind.HTTP, uri=f"http://127.0.0.1/{name}") for name in "abc"}
KEYS = {name: source_key(source) for name, source in SOURCES.items()}
PEER = Peer(node_id="nod_2", url="http://127.0.0.1:1", token="t")

_names = st.sampled_from(sorted(SOURCES))
_ago = st.floats(0, 1000).map(lambda ago: NOW - ago)
_orders = st.builds(
    lambda name, number, wish, attempt, has_peer: FileOrder(
        order_id=f"ord_{number}" if number else "",
        name=name,
        source=SOURCES[name],
        wish=wish,
        attempt=attempt,
        peers=(PEER,) if has_peer else (),
    ),
    _names,
    st.integers(0, 9),
    st.sampled_from(list(FileWish)),
    st.integers(1, 3),
    st.booleans(),
)
_needs = st.builds(lambda name, since: Need(source=SOURCES[name], name=name, since=since), _names, _ago)
_held = st.builds(Held, is_whole=st.booleans(), has_parts=st.booleans())
_running = st.builds(Running, started_at=_ago, had_peers=st.booleans(), is_ending=st.booleans())
_failures = st.builds(
    Failure,
    at=_ago,
    attempt=st.integers(0, 3),
    count=st.integers(1, 9),
    message=st.just("it failed"),
    is_retryable=st.booleans(),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    at_once = draw(st.integers(1, 3))
    running = draw(st.dictionaries(st.sampled_from(sorted(KEYS.values())), _running, max_size=at_once))
    held = draw(st.dictionaries(st.sampled_from(sorted(KEYS.values())), _held))
    return View(
        wanted=wanted_of(draw(st.lists(_orders, max_size=6)), draw(st.lists(_needs, max_size=4))),
        held={key: one for key, one in held.items() if not (one.is_whole and key in running)},
        running=running,
        failures=draw(st.dictionaries(st.sampled_from(sorted(KEYS.values())), _failures)),
        used=frozenset(draw(st.sets(st.sampled_from(sorted(KEYS.values()))))),
        at_once=at_once,
    )


def _is_whole(view: View, key: str) -> bool:
    return key in view.held and view.held[key].is_whole


@given(views())
def test_no_more_run_than_may_and_nothing_is_begun_twice(view: View) -> None:
    begun = [action.key for action in decide(view, NOW).actions if isinstance(action, Fetch)]
    assert len(begun) == len(set(begun))
    assert not begun or len(begun) + len(view.running) <= view.at_once
    assert not set(begun) & view.running.keys()


@given(views())
def test_what_is_fetched_is_wanted_not_here_not_paused_and_not_resting(view: View) -> None:
    for action in decide(view, NOW).actions:
        if isinstance(action, Fetch):
            item = view.wanted[action.key]
            assert item.wish is FileWish.FETCH or item.needed_since is not None
            assert item.wish is not FileWish.PAUSE
            assert not _is_whole(view, action.key)
            assert not is_blocked(view.failures.get(action.key), item, NOW)


@given(views())
def test_nothing_is_deleted_that_is_used_needed_or_not_ordered_to_go(view: View) -> None:
    for action in decide(view, NOW).actions:
        if isinstance(action, Remove | DropParts):
            item = view.wanted[action.key]
            assert item.wish in (FileWish.REMOVE, FileWish.CANCEL)
            assert item.needed_since is None
            assert action.key not in view.running
            if isinstance(action, Remove):
                assert item.wish is FileWish.REMOVE
                assert action.key not in view.used


@given(views())
def test_no_replica_waits_behind_what_nobody_waits_for(view: View) -> None:
    """While a replica waits for a place, all that begins, or goes on and is not told to end, is for replicas."""
    plan = decide(view, NOW)
    begun = {action.key for action in plan.actions if isinstance(action, Fetch)}
    ended = {action.key for action in plan.actions if isinstance(action, Interrupt)}
    ended |= {key for key, running in view.running.items() if running.is_ending}
    behind = [
        item
        for item in view.wanted.values()
        if item.needed_since is not None
        and item.wish is not FileWish.PAUSE
        and item.key not in begun | view.running.keys()
        and not _is_whole(view, item.key)
        and not is_blocked(view.failures.get(item.key), item, NOW)
    ]
    if len(behind) > len(ended & view.running.keys()):
        others = begun | (view.running.keys() - ended)
        assert all(view.wanted[key].needed_since is not None for key in others)


@given(views())
def test_how_each_stands_agrees_with_what_is_done(view: View) -> None:
    plan = decide(view, NOW)
    begun = {action.key for action in plan.actions if isinstance(action, Fetch)}
    for key, standing in plan.standings.items():
        assert (standing.state is FilesState.READY) == _is_whole(view, key)
        if key in begun:
            assert standing.state is FilesState.FETCHING
        if standing.state is FilesState.FETCHING:
            assert key in begun | view.running.keys()
        if standing.state in (FilesState.FAILED, FilesState.WAITING):
            assert standing.detail
    for key in view.held:
        item = view.wanted.get(key)
        is_dropped = item is not None and item.wish in (FileWish.CANCEL, FileWish.REMOVE)
        if _is_whole(view, key) or (view.held[key].has_parts and not is_dropped):
            assert key in plan.standings
