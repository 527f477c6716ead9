"""What nodes keep ready, as they report it: the newest word of each node's present agent."""

from collections.abc import Callable, Mapping, Set

from roundhouse_common.contracts.provisioning import NodeStore
from roundhouse_scheduler.domain.provisioning.documents import ready_keys
from roundhouse_scheduler.loops.preparing import Preparing

__all__ = ["Stores"]

_NONE: frozenset[str] = frozenset()


class Stores:
    """A projection of the bucket, in every scheduler. `incarnation_of` says which agent speaks for a node.

    `on_news(node_id, keys)` is told of every node whose engines or files changed, and of the keys that it has whole
    now and had not, or the other way round.
    """

    def __init__(
        self,
        *,
        incarnation_of: Callable[[str], str | None],
        preparing: Preparing,
        on_news: Callable[[str, Set[str]], None],
    ) -> None:
        self._incarnation_of = incarnation_of
        self._preparing = preparing
        self._on_news = on_news
        self.is_known = False
        """Whether the bucket was ever listed: before that nobody's silence means that they keep nothing."""
        self._stores: dict[str, NodeStore] = {}
        self._ahead: dict[str, NodeStore] = {}
        self._ready: dict[str, frozenset[str]] = {}
        self._holders: dict[str, set[str]] = {}

    @property
    def current(self) -> Mapping[str, NodeStore]:
        """The newest word of each node."""
        return self._stores

    @property
    def ready(self) -> Mapping[str, frozenset[str]]:
        """By node, the keys of the files that it has whole."""
        return self._ready

    def holders(self, key: str) -> Set[str]:
        """Return the nodes that have these files whole."""
        return self._holders.get(key, _NONE)

    def take(self, changed: Mapping[str, NodeStore]) -> None:
        """Take in what nodes report; nothing at all when the first listing found nothing."""
        self.is_known = True
        for node_id, store in sorted(changed.items()):
            if store.node_id == node_id:
                self._take(store)

    def expect(self, node_id: str) -> None:
        """The record may know another agent of this node now."""
        ahead = self._ahead.get(node_id)
        if ahead is not None and ahead.incarnation == self._incarnation_of(node_id):
            del self._ahead[node_id]
            self._accept(ahead)

    def _take(self, store: NodeStore) -> None:
        known = self._stores.get(store.node_id)
        if known is not None and known.incarnation == store.incarnation:
            if store.sequence < known.sequence:
                return
        elif known is not None and known.incarnation == self._incarnation_of(store.node_id):
            self._ahead[store.node_id] = store  # of an agent that is superseded, or that the record will know soon
            return
        self._accept(store)

    def _accept(self, store: NodeStore) -> None:
        node_id = store.node_id
        before = self._stores.get(node_id)
        had, has = self._ready.get(node_id, _NONE), ready_keys(store)
        self._stores[node_id], self._ready[node_id] = store, has
        for key in had - has:
            self._holders[key].discard(node_id)
        for key in has - had:
            self._holders.setdefault(key, set()).add(node_id)
        self._preparing.take_store(store)
        if before is None or _told(before) != _told(store):
            self._on_news(node_id, had ^ has)


def _told(store: NodeStore) -> tuple[object, ...]:
    """What decisions depend on; not how full the disk is, nor how far a transfer is."""
    return (
        store.orders_revision,
        store.files_url,
        store.files_token,
        tuple((item.environment_id, item.order_id, item.state) for item in store.engines),
        tuple((item.key, item.order_id, item.state, item.is_in_use) for item in store.models),
    )
