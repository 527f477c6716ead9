"""What each node is told to keep ready: orders by node, label and for all; what wins; peers; removals and their end."""

import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.provisioning import FilesState, FileWish, Peer
from roundhouse_common.contracts.scheduler import NodeAdmission
from roundhouse_common.model_sources import source_key
from roundhouse_scheduler.domain.provisioning.documents import Content, Need, Orders, content_of
from roundhouse_scheduler.domain.provisioning.orders import NodeSelector
from roundhouse_scheduler.domain.provisioning.peers import Holder, Ring
from roundhouse_scheduler.domain.provisioning.settling import settle
from tests.support.provisioning import QWEN, a_store, an_engine_order, an_environment, files_order, kept
from tests.support.scheduler import a_node, an_inventory

KEY = source_key(QWEN)
PEER = Peer(node_id="nod_9", url="http://nod_9:9", token="t")
NAMED = NodeSelector(node_ids=("nod_1",))
FAST = NodeSelector(labels={"disk": "ssd", "rack": "7"})


def told(*orders: Any, node: Any = None, store: Any = None, needs: Any = None, peers: Any = ()) -> Content:
    engines = [order for order in orders if hasattr(order, "engine")]
    files = [order for order in orders if not hasattr(order, "engine")]
    found = Orders(engines=engines, files=files)
    return content_of(node or a_node("nod_1"), store, found, needs or {}, lambda _key: tuple(peers))


def ids(content: Content) -> list[str]:
    return [order.order_id for order in content.engines] + [order.order_id for order in content.files]


@pytest.mark.contract("A10")
@pytest.mark.parametrize(
    ("selector", "node", "is_told"),
    [
        (NodeSelector(is_all=True), a_node("nod_5"), True),
        (NAMED, a_node("nod_1"), True),
        (NAMED, a_node("nod_2"), False),
        (FAST, a_node(inventory=an_inventory(labels={"disk": "ssd"}), labels={"rack": "7"}), True),
        (FAST, a_node(inventory=an_inventory(labels={"disk": "ssd"})), False),
        (FAST, a_node(inventory=an_inventory(labels={"disk": "ssd", "rack": "7"}), labels={"rack": "8"}), False),
        (NodeSelector(is_all=True), a_node(admission=NodeAdmission.PENDING), False),
        (NodeSelector(is_all=True), a_node(admission=NodeAdmission.REMOVED), False),
    ],
)
def test_a_node_is_told_of_the_orders_that_are_for_it(selector: NodeSelector, node: Any, is_told: bool) -> None:
    content = told(an_engine_order(nodes=selector), files_order(nodes=selector), node=node)
    assert ids(content) == (["eor_1", "for_1"] if is_told else [])


def test_of_two_orders_for_the_same_the_oldest_is_told() -> None:
    orders = (an_engine_order("eor_2", nodes=NAMED), an_engine_order("eor_1"), an_engine_order("eor_3", version="0.31"))
    assert ids(told(*orders)) == ["eor_1", "eor_3"]


def test_what_one_order_fetches_another_one_does_not_pause() -> None:
    assert ids(told(files_order("for_1", wish=FileWish.PAUSE), files_order("for_2"))) == ["for_2"]


def test_what_some_order_wants_none_removes() -> None:
    ending = (an_engine_order("eor_1", is_removed=True), files_order("for_1", wish=FileWish.REMOVE))
    assert ids(told(*ending)) == ["eor_1", "for_1"]
    assert ids(told(*ending, an_engine_order("eor_2"), files_order("for_2"))) == ["eor_2", "for_2"]


def test_a_node_that_has_done_with_a_removal_is_told_of_it_no_more() -> None:
    order = files_order(wish=FileWish.REMOVE, gone_from=("nod_1",))
    assert ids(told(order)) == []
    assert ids(told(order, node=a_node("nod_2"))) == ["for_1"]


def test_what_a_node_has_of_an_order_goes_though_the_order_is_not_for_it_any_more() -> None:
    store = a_store("nod_2", engines=(an_environment("eor_1"),))
    order = an_engine_order(nodes=NAMED)
    assert ids(told(order, node=a_node("nod_2"), store=store)) == []
    removed = msgspec.structs.replace(order, is_removed=True)
    assert ids(told(removed, node=a_node("nod_2"), store=store)) == ["eor_1"]


def test_peers_are_told_as_long_as_the_files_are_lacking() -> None:
    for state in (FilesState.WAITING, FilesState.FETCHING, FilesState.FAILED):
        content = told(files_order(), store=a_store("nod_1", kept(state=state)), peers=[PEER])
        assert (content.files[0].peers, content.lacking) == ((PEER,), frozenset({KEY}))
    content = told(files_order(), store=a_store("nod_1", kept()), peers=[PEER])
    assert (content.files[0].peers, content.lacking) == ((), frozenset())


def test_what_a_replica_needs_is_told_for_its_peers_only() -> None:
    needs = {KEY: Need(name="qwen", source=QWEN)}
    (entry,) = told(needs=needs, peers=[PEER]).files
    assert (entry.order_id, entry.peers) == ("", (PEER,))
    assert told(needs=needs).files == ()
    assert told(needs=needs, peers=[PEER], store=a_store("nod_1", kept())).files == ()
    for wish in (FileWish.FETCH, FileWish.PAUSE, FileWish.CANCEL, FileWish.REMOVE):
        (entry,) = told(files_order(wish=wish), needs=needs, peers=[PEER]).files
        assert (entry.order_id, entry.wish, entry.peers) == ("for_1", wish, (PEER,))


def test_the_same_content_has_the_same_digest_and_another_one_another() -> None:
    contents = [
        told(),
        told(an_engine_order()),
        told(an_engine_order(attempt=2)),
        told(an_engine_order(is_removed=True)),
        told(files_order()),
        told(files_order(wish=FileWish.PAUSE)),
        told(files_order(), peers=[PEER]),
    ]
    assert len({content.digest for content in contents}) == len(contents)
    assert told(an_engine_order()).digest == contents[1].digest


def holders(count: int, **changes: Any) -> list[Holder]:
    return [
        Holder(
            node_id=f"nod_{number:03d}",
            region=changes.get("region", "north"),
            zone=f"z{number % changes.get('zones', 1)}",
            url=f"http://{number}",
            token="t",
        )
        for number in range(count)
    ]


def peers(ring: Ring, node_id: str, *, region: str = "north", zone: str = "z0") -> list[str]:
    return [peer.node_id for peer in ring.peers(node_id, region=region, zone=zone)]


def test_a_node_copies_from_its_zone_then_its_region_then_from_anywhere() -> None:
    near, other = holders(2), holders(40, zones=4)[1::4]
    abroad = [Holder(node_id="nod_far", region="south", zone="z0", url="http://far", token="t")]
    chosen = peers(Ring(KEY, [*near[:1], *other[:2], *abroad]), "nod_900")
    assert chosen[0] == "nod_000"
    assert set(chosen[1:3]) == {item.node_id for item in other[:2]}
    assert chosen[3] == "nod_far"


def test_a_node_is_no_peer_of_itself_and_gets_five_at_most() -> None:
    ring = Ring(KEY, holders(12))
    for number in range(12):
        chosen = peers(ring, f"nod_{number:03d}")
        assert len(set(chosen)) == 5
        assert f"nod_{number:03d}" not in chosen


def test_copies_spread_over_all_that_have_the_files() -> None:
    ring = Ring(KEY, holders(20))
    first = Counter(peers(ring, f"other_{number}")[0] for number in range(400))
    assert len(first) >= 15
    assert max(first.values()) <= 400 * 0.3


def test_one_more_holder_changes_the_peers_of_few() -> None:
    before, after = Ring(KEY, holders(40)), Ring(KEY, holders(41))
    names = [f"other_{number}" for number in range(200)]
    changed = sum(peers(before, name) != peers(after, name) for name in names)
    assert 0 < changed < 100


REMOVED_ENGINE = an_engine_order(is_removed=True)
REMOVED = files_order(wish=FileWish.REMOVE)
CANCELLED = files_order(wish=FileWish.CANCEL)


@pytest.mark.parametrize(
    ("order", "store", "is_over"),
    [
        (REMOVED_ENGINE, None, False),
        (REMOVED_ENGINE, a_store(orders_revision=6), False),
        (REMOVED_ENGINE, a_store(orders_revision=7), True),
        (REMOVED_ENGINE, a_store(orders_revision=7, engines=(an_environment(),)), False),
        (REMOVED_ENGINE, a_store(orders_revision=7, engines=(an_environment("eor_9"),)), True),
        (REMOVED, a_store(orders_revision=6), False),
        (REMOVED, a_store(orders_revision=7), True),
        (REMOVED, a_store("nod_1", kept(), orders_revision=7), False),
        (CANCELLED, a_store("nod_1", kept(), orders_revision=7), True),
        (CANCELLED, a_store("nod_1", kept(state=FilesState.PAUSED), orders_revision=7), False),
        (CANCELLED, a_store("nod_1", kept(state=FilesState.FETCHING, is_in_use=True), orders_revision=7), True),
        (CANCELLED, a_store(orders_revision=7), True),
        (an_engine_order(), a_store(orders_revision=7), False),
    ],
)
def test_a_removal_is_over_when_the_node_has_taken_it_in_and_has_it_no_more(
    order: Any, store: Any, is_over: bool
) -> None:
    found = Orders(engines=[order]) if hasattr(order, "engine") else Orders(files=[order])
    stores = {} if store is None else {"nod_1": store}
    settled = settle(found, {"nod_1": a_node("nod_1")}, stores, {"nod_1": 7})
    assert (settled.over == (order.order_id,)) is is_over
    assert (settled.gone == {order.order_id: ("nod_1",)}) is is_over


def test_a_removal_waits_for_every_node_and_not_for_removed_ones() -> None:
    nodes = {f"nod_{number}": a_node(f"nod_{number}") for number in range(1, 4)}
    stores = {"nod_1": a_store("nod_1", orders_revision=7)}
    found = Orders(engines=[REMOVED_ENGINE])
    revisions = dict.fromkeys(nodes, 7)
    settled = settle(found, nodes, stores, revisions)
    assert (settled.gone, settled.over) == ({"eor_1": ("nod_1",)}, ())
    nodes["nod_2"] = a_node("nod_2", admission=NodeAdmission.REMOVED)
    stores["nod_3"] = a_store("nod_3", orders_revision=8)
    found = Orders(engines=[msgspec.structs.replace(REMOVED_ENGINE, gone_from=("nod_1",))])
    settled = settle(found, nodes, stores, revisions)
    assert (settled.gone, settled.over) == ({"eor_1": ("nod_3",)}, ("eor_1",))


def test_a_removal_of_what_another_order_wants_is_over_at_once() -> None:
    found = Orders(engines=[REMOVED_ENGINE, an_engine_order("eor_2", nodes=NAMED)])
    assert settle(found, {"nod_1": a_node("nod_1")}, {}, {}).over == ("eor_1",)


def test_a_removal_that_concerns_no_node_is_over() -> None:
    assert settle(Orders(files=[REMOVED]), {}, {}, {}).over == ("for_1",)


def test_every_engine_of_a_selection_is_one_entry() -> None:
    kinds = (EngineKind.VLLM, EngineKind.SGLANG)
    orders = [
        an_engine_order(f"eor_{number}", engine=kind, variant=variant)
        for number, (kind, variant) in enumerate(itertools.product(kinds, ("cpu", "cuda")))
    ]
    assert len(told(*orders).engines) == 4
