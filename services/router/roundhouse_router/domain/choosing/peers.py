"""What routers tell each other: how busy endpoints are, whom they have ejected, and which prompts went where.

All of it only sharpens guesses. A message that is lost, late or repeated costs precision, never a request.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roundhouse_common.contracts.demand import EndpointSeen, PrefixSeen, RouterState
from roundhouse_router.domain.choosing.chooser import Chooser

__all__ = ["Peers"]

_SILENT_FOR: Final = 3
"""A router that is silent for so many of its intervals is gone."""
_PREFIXES_MOST: Final = 500
"""Told in one message; the others follow in the next ones."""
_OWN_WORD_S: Final = 5.0
"""An endpoint that answered this router so short a time ago is not passed over on another router's word."""
_EJECTION_MOST_S: Final = 600.0


@dataclass(slots=True)
class _Peer:
    incarnation: str
    sequence: int
    gone_at: float


class Peers:
    """The other routers, as this one hears them."""

    def __init__(self, chooser: Chooser, router_id: str) -> None:
        self._chooser = chooser
        self._router_id = router_id
        self._peers: dict[str, _Peer] = {}

    def live_routers(self, now: float) -> int:
        """Return how many routers there are, this one counted."""
        return 1 + sum(now < peer.gone_at for peer in self._peers.values())

    def hear(self, state: RouterState, now: float) -> None:
        """Take in what another router says. Its older messages, and our own, say nothing."""
        if state.router_id == self._router_id:
            return
        peer = self._peers.get(state.router_id)
        if peer is not None and peer.incarnation == state.incarnation and state.sequence <= peer.sequence:
            return
        gone_at = now + _SILENT_FOR * max(state.interval_s, 0.0)
        self._peers[state.router_id] = _Peer(state.incarnation, state.sequence, gone_at)
        in_flight = {seen.replica_id: seen.in_flight for seen in state.endpoints if seen.in_flight > 0}
        self._chooser.roster.standings.others_have(state.router_id, in_flight)
        self._hear_ejections(state, now)
        for prefix in state.prefixes:
            self._chooser.picker.prefixes_of(prefix.deployment_id).hear(prefix.prefix, prefix.replica_id)

    def forget(self, now: float) -> None:
        """Take the requests of routers that are gone for ended."""
        for router_id in [router_id for router_id, peer in self._peers.items() if now >= peer.gone_at]:
            del self._peers[router_id]
            self._chooser.roster.standings.others_have(router_id, {})

    def endpoints(self, now: float) -> tuple[EndpointSeen, ...]:
        """Return what is to be told of endpoints: those that are busy or ejected."""
        return tuple(
            EndpointSeen(replica_id=standing.endpoint_id, in_flight=standing.in_flight, ejected_s=ejected_s)
            for standing in self._chooser.roster.standings
            if (ejected_s := max(0.0, standing.condition.ejected_until - now) if standing.condition.is_ejected else 0.0)
            or standing.in_flight
        )

    def prefixes(self) -> tuple[PrefixSeen, ...]:
        """Return the beginnings of prompts that are to be told; they count as told then."""
        return tuple(self._news(_PREFIXES_MOST))

    def _news(self, most: int) -> Iterator[PrefixSeen]:
        for deployment_id, table in self._chooser.picker.tables():
            told = table.take_news(most)
            most -= len(told)
            for prefix, replica_id in told:
                yield PrefixSeen(deployment_id=deployment_id, prefix=prefix, replica_id=replica_id)

    def _hear_ejections(self, state: RouterState, now: float) -> None:
        """Let endpoints that another router has ejected be tried after the others, under the same ceiling as our own
        ejections: a router whose own network is broken must not take the fleet away from all."""
        ejected = {seen.replica_id: seen.ejected_s for seen in state.endpoints if seen.ejected_s > 0}
        if not ejected:
            return
        roster = self._chooser.roster
        for group, member in roster.members(ejected.keys()):
            condition = member.condition
            if now - condition.succeeded_at < _OWN_WORD_S or condition.is_ejected:
                continue
            if now < condition.heard_until or group.may_rest(roster.health.max_ejected_share, now):
                condition.hear(now + min(ejected[member.endpoint_id], _EJECTION_MOST_S))
