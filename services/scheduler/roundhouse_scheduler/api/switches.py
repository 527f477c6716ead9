"""/api/v1/switches"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from roundhouse_common.auth import Reach, Subject, reach_of
from roundhouse_common.http import Page, PageRequest, documented, page_of, page_request, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_scheduler.api.audited import AuditedSwitch
from roundhouse_scheduler.api.seen import Scheduler
from roundhouse_scheduler.api.switch_views import SwitchToCreate, SwitchView
from roundhouse_scheduler.domain.switching import Switch
from roundhouse_scheduler.store.pages import find_deployment
from roundhouse_scheduler.store.switches import ask_for_switch, cancel_switch, find_switch, list_switches

__all__ = ["switch_routes"]

_Reader = Annotated[Subject, Depends(requires("deployments:read", in_projects=True))]
_Writer = Annotated[Subject, Depends(requires("deployments:write", in_projects=True))]
_Page = Annotated[PageRequest, Depends(page_request)]


def switch_routes(scheduler: Scheduler) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/api/v1/switches", tags=["switches"])

    @routes.get("")
    async def get_switches(
        subject: _Reader,
        page: _Page,
        deployment_id: Annotated[str | None, Query(description="Only those to this deployment.")] = None,
    ) -> Page[SwitchView]:
        """List the switches, the newest first."""
        async with scheduler.db.read() as session:
            rows = await list_switches(
                session, _seen(subject), limit=page.fetch, before=page.after or "", deployment_id=deployment_id
            )
        return page_of(rows, page, key=_key, item=SwitchView.of)

    @routes.post(
        "",
        status_code=201,
        responses={
            200: {"model": SwitchView, "description": "One is under way already."},
            404: documented("There is no such deployment"),
        },
    )
    async def create_switch(subject: _Writer, body: SwitchToCreate, response: Response) -> SwitchView:
        """Make a deployment ready, evicting idle ones where there is no room for it.

        Safe to repeat: while a switch to the deployment is under way, that one is returned. 409 for a stopped one.
        """
        async with scheduler.db.write() as session:
            switch, is_new = await ask_for_switch(
                session,
                _seen(subject),
                body.deployment_id,
                may=reach_of(subject, "deployments:write"),
                switch_id=scheduler.ids.new("swi"),
                actor=subject.actor,
                at=scheduler.clock.now(),
            )
            deployment = await find_deployment(session, _seen(subject), body.deployment_id)
            was, now = None if is_new else AuditedSwitch.of(switch), AuditedSwitch.of(switch)
            place = deployment.project_id
            await enter_change(session, before=was, after=now, object_name=deployment.name, project_id=place)
            session.after_commit(scheduler.wake)
        response.status_code = 201 if is_new else 200
        response.headers["location"] = f"{routes.prefix}/{switch.switch_id}"
        return SwitchView.of(switch)

    @routes.get("/{switch_id}")
    async def get_switch(subject: _Reader, switch_id: str) -> SwitchView:
        """Show one switch."""
        async with scheduler.db.read() as session:
            return SwitchView.of(await find_switch(session, _seen(subject), switch_id))

    @routes.post("/{switch_id}:cancel", status_code=202)
    async def cancel(subject: _Writer, switch_id: str) -> SwitchView:
        """Call a switch off: what has not happened yet does not happen, and deployments that are only on their way
        out stay. One that has ended stays as it is."""
        async with scheduler.db.write() as session:
            before = await find_switch(session, _seen(subject), switch_id)
            switch = await cancel_switch(
                session, _seen(subject), switch_id, may=reach_of(subject, "deployments:write"), actor=subject.actor
            )
            was, now = AuditedSwitch.of(before), AuditedSwitch.of(switch)
            await enter_change(session, before=was, after=now, action="switch.cancel")
            session.after_commit(scheduler.wake)
        return SwitchView.of(switch)

    return routes


def _seen(subject: Subject) -> Reach:
    return reach_of(subject, "deployments:read")


def _key(switch: Switch) -> str:
    return switch.switch_id
