"""The frame around every page: navigation, tenant, language, theme, and the sub pages themselves."""

from collections.abc import Sequence

from nicegui import ui

from roundhouse_console.domain.words import LANGUAGES
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.own_files import OWN_FILES_URL
from roundhouse_console.kit.panels import empty, page_head
from roundhouse_console.kit.routes import Page, allowed_pages, guarded
from roundhouse_console.kit.signals import attempt

__all__ = ["frame"]


class _Pages(ui.sub_pages):
    """The page of the path, or what to do when there is none."""

    def _render_404(self) -> None:
        with page_head(t("Not found")):
            pass
        empty(t("There is no such page."), icon="explore_off", action=t("Overview"), href="/")


def frame(pages: Sequence[Page]) -> None:
    """Build everything that stays while people go from page to page."""
    shown = allowed_pages(pages, here())
    ui.element("a").props('href="#main"').classes("rh-skip")._text = t("Skip to the page")
    with ui.header().classes("rh-top"):
        menu = ui.button(icon="menu").props(f'flat dense round aria-label="{t("Menu")}" aria-expanded=false')
        menu.classes("rh-menu-button").on("click", js_handler="() => roundhouseMenu()")
        with ui.link(target="/").classes("rh-brand").props(f'aria-label="Roundhouse: {t("Overview")}"'):
            ui.element("img").props(f'src="{OWN_FILES_URL}/mark.svg" width=28 height=28 alt=""')
            ui.label("Roundhouse")
        ui.space()
        _tenant_menu()
        _look_menu()
        _person_menu()
    with ui.element("nav").classes("rh-nav").props(f'aria-label="{t("Pages")}"'):
        for page in shown:
            if page.icon:
                with ui.link(target=page.path).classes("rh-nav-item") as item:
                    item.props["data-path"] = page.path
                    ui.icon(page.icon)
                    ui.label(t(page.title))
    # No <main>: the page that NiceGUI puts everything into is one, and one within another confuses screen readers.
    with ui.element("div").classes("rh-main").props("id=main tabindex=-1"):
        _Pages({page.path: guarded(page) for page in pages}).classes("rh-pages")


def _tenant_menu() -> None:
    me, person = here().me, here().person
    if len(me.tenants) < 2:
        ui.label(me.tenant_name).classes("rh-tenant rh-wide")
        return

    async def switch(tenant_id: str) -> None:
        async def switched() -> bool:
            await person.switch_tenant(tenant_id)
            return True

        if await attempt(switched):
            ui.navigate.to("/")

    button = ui.button(me.tenant_name, icon="apartment").props("flat dense no-caps")
    button.props["aria-label"] = f"{t('Tenant')}: {me.tenant_name}"
    with button, ui.menu():
        for tenant in me.tenants:
            ui.menu_item(tenant.name, on_click=lambda _, one=tenant.id: switch(one))


def _look_menu() -> None:
    with ui.button(icon="contrast").props(f'flat dense round aria-label="{t("Theme and language")}"'), ui.menu():
        for theme, title in (("light", "Light"), ("dark", "Dark"), ("auto", "As the system")):
            ui.menu_item(t(title)).on("click", js_handler=f"() => roundhousePrefer('theme', '{theme}', true)")
        ui.separator()
        for code, name in LANGUAGES.items():
            language = ui.menu_item(name)
            language.on("click", js_handler=f"() => roundhousePrefer('language', '{code}', true)").props["lang"] = code


def _person_menu() -> None:
    me = here().me
    button = ui.button(icon="account_circle").props("flat dense round")
    button.props["aria-label"] = f"{t('Account')}: {me.display_name}"
    with button, ui.menu():
        with ui.element("div").classes("rh-account"):
            ui.label(me.display_name).classes("rh-strong")
            ui.label(me.email or me.name).classes("rh-dim")
        ui.separator()
        ui.menu_item(t("Your account"), on_click=lambda: ui.navigate.to("/account"))
        ui.menu_item(t("Sign out")).on("click", js_handler="() => roundhouseSignOut()")
