"""The parts of a route's form that are folded away: balancing, retries, queue, cache, whom it is for."""

from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.domain.routing import STRATEGIES, RouteDraft
from roundhouse_console.kit.here import here, t
from roundhouse_console.pages.traffic.fields import Fields
from roundhouse_console.pages.traffic.parts import fold

__all__ = ["Known", "access_part", "settings_parts"]

_PLAIN = RouteDraft()


@dataclass(frozen=True, slots=True)
class Known:
    """What a form can name: names by id, and the names of routes."""

    destinations: dict[str, str]
    routes: list[str]
    keys: dict[str, str]
    tenants: dict[str, str]
    projects: dict[str, str]


def settings_parts(fields: Fields, draft: RouteDraft) -> None:
    """Build the parts, each open where it says something else than usual."""
    with fold(t("Balancing between replicas"), is_open=draft.strategy != _PLAIN.strategy):
        _balancing(fields, draft)
    tried = draft.first_token_s or draft.idle_s or draft.total_s or draft.max_attempts or not draft.is_429_retried
    with fold(t("Timeouts and retries"), is_open=bool(tried)):
        with ui.element("div").classes("rh-fields"):
            own = t("0: the router's own")
            fields.number(draft, "first_token_s", t("First token within"), suffix="s", hint=own)
            fields.number(draft, "idle_s", t("Between two chunks"), suffix="s", hint=own)
            fields.number(draft, "total_s", t("Whole answer within"), suffix="s", hint=t("0: no bound"))
            fields.number(draft, "max_attempts", t("Attempts in all"), hint=own)
        fields.switch(draft, "is_429_retried", t("A busy endpoint (429) leads to another one"))
        fields.switch(draft, "is_continued", t("A stream whose engine dies goes on elsewhere"))
    with (
        fold(t("Queue"), is_open=bool(draft.max_waiting or draft.in_flight_per_endpoint)),
        ui.element("div").classes("rh-fields"),
    ):
        fields.number(draft, "max_waiting", t("So many may wait"), hint=t("0: nobody waits here"))
        fields.number(draft, "deadline_s", t("They wait at most"), suffix="s")
        hint = t("0: what the engine was started for")
        fields.number(draft, "in_flight_per_endpoint", t("Requests at once on each endpoint"), hint=hint)
    with fold(t("Cache"), is_open=bool(draft.ttl_s or draft.is_coalesced)):
        ui.label(t("Equal requests of one tenant are answered from what an engine said before.")).classes("rh-dim")
        with ui.element("div").classes("rh-fields"):
            fields.number(draft, "ttl_s", t("Answers are kept for"), suffix="s", hint=t("0: nothing is kept"))
            fields.number(draft, "max_answer_kib", t("The largest answer that is kept"), suffix="KiB")
        fields.switch(draft, "is_coalesced", t("Equal requests in flight share one call"))


def _balancing(fields: Fields, draft: RouteDraft) -> None:
    with ui.element("div").classes("rh-fields"):
        ways = {one: t(title) for one, title in STRATEGIES.items()}
        way = fields.choice(draft, "strategy", t("How an endpoint is chosen"), ways)
        weights = fields.text(
            draft,
            "weights",
            t("Weights"),
            example="eu=3, us=1",
            hint=t("Of replica ids, node ids or regions"),
        )
        header = fields.text(draft, "session_header", t("Session header"), hint=t("Empty: the body's “user”"))
        ceiling = fields.number(draft, "load_ceiling", t("Load ceiling"), hint=t("Times the mean load"))
        fields.number(draft, "spill_in_flight", t("Other regions from"), hint=t("In flight at each local one"))
    fields.switch(draft, "is_local_preferred", t("The router's own region goes first"))
    weights.bind_visibility_from(way, "value", value="weighted")
    header.bind_visibility_from(way, "value", value="session-affinity")
    ceiling.bind_visibility_from(way, "value", lambda value: str(value).endswith("affinity"))


def access_part(fields: Fields, draft: RouteDraft, known: Known) -> None:
    """Build who may use the route."""
    is_narrow = bool(draft.key_ids or draft.tenant_ids) or draft.access != _PLAIN.access
    with fold(t("Who may use it"), is_open=is_narrow):
        kinds = {"private": t("Its maker and its project"), "tenant": t("Every API key of the tenant")}
        if here().may("platform:admin") or draft.access == "public":
            kinds["public"] = t("Every API key of every tenant")
        with ui.element("div").classes("rh-fields"):
            access = fields.choice(draft, "access", t("Open to"), kinds)
            projects = {"": t("none"), **known.projects}
            project = fields.choice(draft, "project_id", t("Project"), projects)
            project.bind_visibility_from(access, "value", value="private")
        fields.several(draft, "key_ids", t("Only these API keys"), known.keys, hint=t("Empty: all of them"))
        if draft.is_platform or here().may("platform:admin"):
            tenants = fields.several(
                draft, "tenant_ids", t("Only these tenants"), known.tenants, hint=t("Of a route for every tenant")
            )
            tenants.bind_visibility_from(draft, "is_platform")
