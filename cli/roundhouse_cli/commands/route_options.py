"""Options that `roundhouse routes create` and `set` share, and the body that they make."""

from dataclasses import dataclass
from typing import Annotated

import typer

from roundhouse_cli.commands.launch_options import given, seconds, size
from roundhouse_cli.commands.route_targets import Lookups, read_target, target_body
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.rest import Item
from roundhouse_cli.units import parse_settings

__all__ = ["RouteOptions"]

_STRATEGIES = (
    "round-robin, random, weighted, least-in-flight, power-of-two, prefix-affinity, session-affinity or lowest-latency"
)
_REASONS = ("error", "context-length", "content-policy")
_Texts = list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """What was typed. Each field is an option; what is empty or None was not stated."""

    to: Annotated[
        _Texts,
        typer.Option(
            metavar="TARGET",
            help="A deployment as NAME[=WEIGHT][@PRIORITY], or a provider's model as PROVIDER/MODEL. May be repeated.",
        ),
    ] = None
    to_header: Annotated[_Texts, typer.Option(metavar="NAME[=VALUE]:TARGET", help="For requests with this header.")] = (
        None
    )
    to_key: Annotated[_Texts, typer.Option(metavar="KEY:TARGET", help="For requests with this API key.")] = None
    to_user: Annotated[_Texts, typer.Option(metavar="USER:TARGET", help="For this `user` of the body or the key.")] = (
        None
    )
    alias_of: Annotated[str, typer.Option(metavar="ROUTE", help="Another name for this route.")] = ""
    kind: Annotated[str, typer.Option(help="Kind of model; only where every target is a provider's.")] = ""
    balancing: Annotated[str, typer.Option(metavar="STRATEGY", help=f"How an endpoint is chosen: {_STRATEGIES}.")] = ""
    weight: Annotated[
        _Texts, typer.Option(metavar="NAME=N", help="For `weighted`: of a replica id, a node id or a region.")
    ] = None
    session_header: Annotated[
        str | None, typer.Option(metavar="NAME", help="For `session-affinity`; without it the body's `user`.")
    ] = None
    load_ceiling: Annotated[float | None, typer.Option(help="For affinities: times the mean load.")] = None
    prefer_local: Annotated[
        bool | None, typer.Option("--prefer-local/--any-region", help="Whether the router's region goes first.")
    ] = None
    spill: Annotated[int | None, typer.Option(min=0, help="In flight at each local one, then other regions too.")] = (
        None
    )
    split_by: Annotated[str, typer.Option(help="What a draw by weight holds for: request, key or user.")] = ""
    fallback: Annotated[
        _Texts,
        typer.Option(
            metavar="[REASON=]ROUTE",
            help="For what fails: error (default), context-length or content-policy. May be repeated.",
        ),
    ] = None
    first_token_timeout: Annotated[str, typer.Option(metavar="TIME", help="0: the router's own.")] = ""
    idle_timeout: Annotated[str, typer.Option(metavar="TIME", help="Between two chunks; 0: the router's own.")] = ""
    total_timeout: Annotated[str, typer.Option(metavar="TIME", help="0: no bound.")] = ""
    attempts: Annotated[int | None, typer.Option(min=0, help="The first one included; 0: the router's own.")] = None
    retry_429: Annotated[
        bool | None, typer.Option("--retry-429/--keep-429", help="Whether a busy endpoint leads to another one.")
    ] = None
    in_flight: Annotated[int | None, typer.Option(min=0, help="Requests at once on each endpoint.")] = None
    queue: Annotated[int | None, typer.Option(min=0, help="So many may wait while all are full; 0: nobody.")] = None
    queue_deadline: Annotated[str, typer.Option(metavar="TIME", help="How long they wait at most.")] = ""
    cache: Annotated[str, typer.Option(metavar="TIME", help="How long answers are kept; 0: nothing is.")] = ""
    cache_answer: Annotated[str, typer.Option(metavar="SIZE", help="The largest answer that is kept.")] = ""
    coalesce: Annotated[
        bool | None, typer.Option("--coalesce/--separate", help="Whether equal requests in flight share one call.")
    ] = None
    continues: Annotated[
        bool | None, typer.Option("--continue/--break", help="Whether a stream goes on elsewhere when an engine dies.")
    ] = None
    key: Annotated[_Texts, typer.Option(help="Only this API key may use it. May be repeated.")] = None
    tenant: Annotated[
        _Texts, typer.Option(metavar="ID", help="Of the platform's: only this tenant may use it. May be repeated.")
    ] = None

    @property
    def leads_somewhere(self) -> bool:
        """Whether it was stated where the route leads."""
        return bool(self.alias_of or self.to or self.to_header or self.to_key or self.to_user)

    def body(self, known: Lookups) -> Item:
        """Return what was stated as the catalog takes it; of objects inside only what was stated of them."""
        stated = {
            **self._settings(),
            **self._objects(),
            **self._leads(known),
            **given(
                fallbacks=[_fallback(one) for one in self.fallback] if self.fallback else None,
                key_ids=[known.find("api-keys", one, "API key")["id"] for one in self.key] if self.key else None,
                tenant_ids=self.tenant or None,
            ),
        }
        return {name: value for name, value in stated.items() if value != {}}

    def _settings(self) -> Item:
        return given(
            model_kind=self.kind or None,
            split_by=self.split_by or None,
            is_coalesced=self.coalesce,
            is_continued=self.continues,
        )

    def _objects(self) -> Item:
        return {
            "balancing": given(
                strategy=self.balancing or None,
                weights=_weights(self.weight) if self.weight else None,
                session_header=self.session_header,
                load_ceiling=self.load_ceiling,
                is_local_preferred=self.prefer_local,
                spill_in_flight=self.spill,
            ),
            "timeouts": given(
                first_token_s=seconds(self.first_token_timeout, "--first-token-timeout"),
                idle_s=seconds(self.idle_timeout, "--idle-timeout"),
                total_s=seconds(self.total_timeout, "--total-timeout"),
            ),
            "retries": given(max_attempts=self.attempts, is_429_retried=self.retry_429),
            "queue": given(
                in_flight_per_endpoint=self.in_flight,
                max_waiting=self.queue,
                deadline_s=seconds(self.queue_deadline, "--queue-deadline"),
            ),
            "cache": given(ttl_s=seconds(self.cache, "--cache"), max_answer_bytes=size(self.cache_answer)),
        }

    def _leads(self, known: Lookups) -> Item:
        """Return targets or the alias, each of which ends the other."""
        typed = [
            *(read_target(one, "--to") for one in self.to or ()),
            *(read_target(one, "--to-header", "header") for one in self.to_header or ()),
            *(read_target(one, "--to-key", "key") for one in self.to_key or ()),
            *(read_target(one, "--to-user", "user") for one in self.to_user or ()),
        ]
        if typed and self.alias_of:
            raise UsageFault("--alias-of takes the targets of another route; state it, or --to.")
        if self.alias_of:
            return {"alias_of": self.alias_of, "targets": []}
        return {"targets": [target_body(one, known) for one in typed], "alias_of": ""} if typed else {}


def _weights(pairs: list[str]) -> dict[str, int]:
    weights = {}
    for name, number in parse_settings(pairs, "--weight").items():
        if not (number.isascii() and number.isdigit()):
            raise UsageFault(f"--weight {name}={number} is not of the form NAME=N, with a whole number.")
        weights[name] = int(number)
    return weights


def _fallback(text: str) -> Item:
    """Read `[REASON=]ROUTE`; names of routes may have `=` in them too."""
    reason, equals, route = text.partition("=")
    is_stated = bool(equals) and reason in _REASONS
    return {"reason": reason if is_stated else "error", "route": route if is_stated else text}
