"""`roundhouse login`, `logout`, `whoami` and `passwd`."""

import os
import sys
from typing import Annotated

import httpx
import typer

from roundhouse_cli.browser_login import log_in_with_browser
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.credentials import PERSONAL_TOKEN_PREFIX
from roundhouse_cli.errors import Failure, Refused, UsageFault
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.saved_login import Kept, SavedLogin, login_file, post

__all__ = ["login", "logout", "passwd", "whoami"]

_MUST_CHANGE = "password_change_required"

User = Annotated[str, typer.Option("--user", "-u", metavar="NAME", help="Login name. Default: asks.")]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin; a second line is the one to choose.")
]


def login(
    user: User = "",
    password_stdin: Stdin = False,
    token: Annotated[
        bool, typer.Option("--token", help="Log in with a personal token, read from stdin or a hidden prompt.")
    ] = False,
    oidc: Annotated[
        str, typer.Option("--oidc", metavar="NAME", help="Log in with a browser at this identity provider.")
    ] = "",
    tenant: Annotated[str, typer.Option(help="Tenant to work in; logged in already, switches to it.")] = "",
    url: Url = "",
) -> None:
    """Log in, and stay so for the commands that follow. Secrets are never taken from the command line."""
    with connect(url) as services:
        saved = _saved(services)
        if token:
            kept = _with_token(services, _secret("Token"))
        elif oidc:
            url = services.connection.catalog_url
            given = log_in_with_browser(services.http, url, oidc, tenant=tenant, tell=note)
            kept = Kept(catalog_url=url, login_name=f"{oidc}:{given['user_id']}").with_tokens(given)
        elif tenant and not user and not password_stdin and saved.read() is not None:
            kept = saved.switch(tenant)
        else:
            kept = _with_password(services, user, stdin=password_stdin, tenant=tenant)
        with saved.locked():
            saved.save(kept)
        note(f"Logged in as {kept.login_name or 'the owner of the token'} in {kept.tenant_id}.")


def logout(
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="End all of your logins on every device, not only this one.")
    ] = False,
    url: Url = "",
) -> None:
    """End the login of this machine, at the server too. Safe to repeat."""
    with connect(url) as services:
        saved = _saved(services)
        try:
            is_session = (kept := saved.read()) is not None and bool(kept.refresh_token)
            if everywhere:
                ended = services.catalog.post("/api/v1/sessions:sign-out-everywhere")["sessions_ended"]
                note(f"{ended} logins are ended.")
            elif is_session:
                services.catalog.delete("/api/v1/sessions/current")
        except Refused as error:
            if error.status not in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND):
                raise
        except Failure as error:
            note(str(error))
        saved.remove()
        note("Logged out.")


def whoami(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Show who the commands act as, what they may do, and where the credentials come from."""
    with connect(url) as services:
        me = services.catalog.get("/api/v1/me")
        show_item({**me, "credentials": services.tokens.source}, output)


def passwd(user: User = "", password_stdin: Stdin = False, url: Url = "") -> None:
    """Change your password. It ends all of your logins. With --password-stdin: the old one, then the new one."""
    with connect(url) as services:
        saved = _saved(services)
        kept = saved.read()
        name = user or (kept.login_name if kept is not None else "") or _ask_name()
        old, new = _lines(2) if password_stdin else (_prompt("Current password"), "")
        _change(services, name, old, new or _new_password())
        if kept is not None and kept.refresh_token:
            saved.remove()
        note("The password is changed. Log in with it: `roundhouse login`.")


def _with_password(services: Services, user: str, *, stdin: bool, tenant: str) -> Kept:
    """Begin a session, after choosing a password where somebody else chose the one there is."""
    name = user or _ask_name()
    password, new = _lines(1) if stdin else (_prompt("Password"), "")
    try:
        given = _begin(services, name, password, tenant)
    except Refused as error:
        if error.code != _MUST_CHANGE or (stdin and not new):
            raise
        note("This password was chosen by somebody else; choose your own, of at least 12 characters.")
        chosen = new or _new_password()
        _change(services, name, password, chosen)
        given = _begin(services, name, chosen, tenant)
    return Kept(catalog_url=services.connection.catalog_url, login_name=name).with_tokens(given)


def _begin(services: Services, name: str, password: str, tenant: str) -> Item:
    body = {"login_name": name, "password": password, **({"tenant": tenant} if tenant else {})}
    return post(services.http, services.connection.catalog_url, "/api/v1/sessions", body)


def _change(services: Services, name: str, password: str, new: str) -> None:
    body = {"login_name": name, "password": password, "new_password": new}
    post(services.http, services.connection.catalog_url, "/api/v1/password:change", body)


def _with_token(services: Services, secret: str) -> Kept:
    """Check the token by using it once. Raises Refused."""
    if not secret.startswith(PERSONAL_TOKEN_PREFIX):
        raise UsageFault(f"That is no personal token: they begin with {PERSONAL_TOKEN_PREFIX}.")
    catalog_url = services.connection.catalog_url
    given = post(services.http, catalog_url, "/api/v1/sessions:exchange", {"token": secret})
    return Kept(catalog_url=catalog_url, personal_token=secret, tenant_id=str(given["tenant_id"]))


def _saved(services: Services) -> SavedLogin:
    url = services.connection.catalog_url
    return SavedLogin(login_file(os.environ, url), services.http, url, CLOCK)


def _ask_name() -> str:
    if not sys.stdin.isatty():
        raise UsageFault("Say who logs in: --user NAME.")
    return str(typer.prompt("Login name", err=True))


def _prompt(what: str) -> str:
    if not sys.stdin.isatty():
        raise UsageFault("Nobody can be asked for the password here: give it with --password-stdin.")
    return str(typer.prompt(what, hide_input=True, err=True))


def _new_password() -> str:
    if not sys.stdin.isatty():
        raise UsageFault("Nobody can be asked for the new password here: give it as the second line of stdin.")
    return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))


def _secret(what: str) -> str:
    return _prompt(what).strip() if sys.stdin.isatty() else _lines(1)[0]


def _lines(least: int) -> tuple[str, str]:
    """Return the first two lines of stdin, without their ends. Raises Failure when there are fewer than `least`."""
    found = [line.rstrip("\r\n") for line in sys.stdin.readlines()[:2]]
    if len([line for line in found if line]) < least:
        raise Failure(f"stdin has {len(found)} lines; {least} are needed.")
    return found[0], found[1] if len(found) > 1 else ""
