"""What administrators do about one member."""

from typing import Final

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note
from roundhouse_console.kit.signals import attempt, done
from roundhouse_console.pages.access.parts import field, role_field

__all__ = ["change_account", "disable", "remove", "roles_in_project", "sign_out", "without_project"]

_MEMBER: Final = "/api/v1/members/{}"
_ABANDON: Final = "abandon"


async def sign_out(member: Item) -> bool:
    what = [
        t("All browsers and programs that {name} is signed in with are signed out at once.", name=member["name"]),
        t("Personal tokens and API keys stay."),
    ]
    if not await confirm(t("Sign out {name} everywhere?", name=member["name"]), what, button=t("Sign out everywhere")):
        return False
    path = path_of("/api/v1/users/{}", member["id"]) + ":sign-out"
    ended = await attempt(lambda: here().person.catalog.post(path))
    if ended is not None:
        done(t("{count|session is|sessions are} ended.", count=ended["sessions_ended"]))
    return ended is not None


async def disable(member: Item, template: str) -> bool:
    """Let somebody in no more, or again."""
    is_disabled = not member["is_disabled"]
    if is_disabled:
        what = [
            t("{name} can no longer sign in, in no tenant, and is signed out at once.", name=member["name"]),
            t("Their API keys and tokens are refused until they are enabled again. What is theirs stays."),
        ]
        if not await confirm(t("Disable {name}?", name=member["name"]), what, button=t("Disable")):
            return False
    path = path_of(template, member["id"])
    told = (
        t("{name} is disabled.", name=member["name"]) if is_disabled else t("{name} is enabled.", name=member["name"])
    )
    return await attempt(lambda: here().person.catalog.patch(path, {"is_disabled": is_disabled}), told) is not None


async def remove(member: Item, *, is_person: bool) -> bool:
    """End a membership, and settle what becomes of what is theirs."""
    person, name = here().person, member["name"]
    owned = (await person.catalog.get(path_of(_MEMBER + "/belongings", member["id"])))["items"]
    others = {one: shown for one, shown in (await names_of(person, "user")).items() if one != member["id"]}
    with form_dialog(t("Remove {name}?", name=name), button=t("Remove")) as (dialog, form):
        if is_person:
            ui.label(t("{name} is no member of this tenant any more and is signed out.", name=name))
        else:
            ui.label(t("The service account, its tokens and its roles are gone for good."))
        if owned:
            note(_owned(owned), "warn", icon="inventory_2")
        options = {**others, _ABANDON: t("nobody: their API keys are refused, the rest goes on")}
        successor = ui.select(options, value=None, label=t("Who takes it over"), with_input=True)
        successor.props("outlined dense").set_visibility(bool(owned))
        everywhere = ui.checkbox(t("Delete the person in every tenant"))
        everywhere.set_visibility(is_person and here().may("platform:admin"))

        async def send() -> bool:
            if owned and not successor.value:
                raise ValueError(t("Say who takes over what is theirs."))
            query: Item = {}
            if successor.value:
                query = {"abandon": True} if successor.value == _ABANDON else {"successor": successor.value}
            template = "/api/v1/service-accounts/{}" if not is_person else _MEMBER
            path = "/api/v1/users/{}" if is_person and everywhere.value else template
            await person.catalog.delete(path_of(path, member["id"]), **query)
            return True

        form.send = send
    if await until_closed(dialog):
        person.cached.clear()
        done(t("{name} is removed.", name=name))
        ui.navigate.to("/access/members" if is_person else "/access/service-accounts")
    return False


def _owned(owned: list[Item]) -> str:
    return t("These are theirs:") + "\n" + "\n".join(f"{t(one['kind'])}: {one['name']}" for one in owned)


async def change_account(account: Item) -> bool:
    person = here().person
    with form_dialog(t("Change {name}", name=account["name"]), button=t("Save")) as (dialog, form):
        name, display_name = field(t("Name"), account["name"]), field(t("Display name"), account["display_name"])

        async def send() -> Item:
            path = path_of("/api/v1/service-accounts/{}", account["id"])
            return await person.catalog.patch(path, {"name": name.value, "display_name": display_name.value})

        form.send = send
    return bool(await until_closed(dialog))


async def roles_in_project(member: Item, project_id: str) -> None:
    """Choose somebody's roles in a project; without an id, in one they are not in yet."""
    person = here().person
    names = await names_of(person, "project")
    others = {one: name for one, name in names.items() if one not in member["project_roles"]}
    with form_dialog(t("Roles of {name} in a project", name=member["name"]), button=t("Save")) as (dialog, form):
        if not project_id and not others:
            note(t("There is no further project. Create one under Projects."))
        options = names if project_id else others
        chosen = ui.select(options, value=project_id or None, label=t("Project")).props("outlined dense")
        chosen.set_enabled(not project_id)
        roles = role_field(list(member["project_roles"].get(project_id, ["deployer"])))

        async def send() -> Item:
            if not chosen.value:
                raise ValueError(t("Choose a project."))
            return await _set(member, str(chosen.value), list(roles.value))

        form.send = send
    await until_closed(dialog)


async def without_project(member: Item, project_id: str) -> None:
    """Take somebody out of a project."""
    names = await names_of(here().person, "project")
    name = names.get(project_id, project_id)
    what = [t("{member} has no role in {project} any more.", member=member["name"], project=name)]
    if await confirm(t("Remove {name}?", name=member["name"]), what, button=t("Remove")):
        await attempt(lambda: _set(member, project_id, []))


async def _set(member: Item, project_id: str, roles: list[str]) -> Item:
    path = path_of(_MEMBER, member["id"])
    now, etag = await here().person.catalog.with_etag(path)
    kept = {one: held for one, held in now["project_roles"].items() if one != project_id}
    body = {"project_roles": {**kept, **({project_id: roles} if roles else {})}}
    return await here().person.catalog.patch(path, body, etag=etag)
