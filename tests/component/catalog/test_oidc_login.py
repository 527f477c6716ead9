"""Single sign-on over real HTTP with a real OpenID Connect server."""

import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from roundhouse_catalog.store.directory import find_subject
from roundhouse_catalog.store.people import find_membership
from roundhouse_common.auth import Role, Subject
from roundhouse_common.runtime import SystemClock
from tests.component.catalog.people import ANN, add_person, add_tenant, post
from tests.component.catalog.world import API, World
from tests.support.oidc_provider import IdentityProvider, identity_provider

REDIRECT = "http://127.0.0.1:5555/done"
VERIFIER = "a verifier that only the client has"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
pytestmark = pytest.mark.contract("E07")


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@dataclass
class Desk:
    """A catalog that knows the provider, and a browser without cookies."""

    world: World
    idp: IdentityProvider
    browser: httpx.AsyncClient

    async def adds(self, **rules: Any) -> None:
        body = {
            "name": "corporate",
            "issuer": self.idp.issuer,
            "client_id": "roundhouse",
            "client_secret": "shared",
            "rules": {"needs_group": False, **rules},
        }
        answer = await post(self.world, "/oidc-providers", body, token=self.world.token(Role.ADMINISTRATOR))
        assert answer.status_code == 201, answer.text
        assert "shared" not in answer.text

    async def begins(self, **query: str) -> httpx.Response:
        params = {"redirect_uri": REDIRECT, "code_challenge": CHALLENGE, "state": "mine", **query}
        return await self.browser.get(f"{API}/login/oidc/corporate", params=params)

    async def comes_back(self, subject: str, **how: Any) -> httpx.Response:
        """Go to the provider, log in there and come back to the catalog."""
        begun = await self.begins()
        assert begun.status_code == 302, begun.text
        return await self.browser.get(self.idp.log_in(begun.headers["location"], subject, **how))

    async def code(self, subject: str) -> str:
        query = answered(await self.comes_back(subject))
        assert query["state"] == "mine"
        assert "error" not in query, query
        return query["code"]

    async def redeems(self, code: str, verifier: str = VERIFIER) -> httpx.Response:
        return await post(self.world, "/sessions:redeem", {"code": code, "code_verifier": verifier})

    async def subject(self, user_id: str, tenant_id: str = "ten_default") -> Subject | None:
        async with self.world.db.read() as session:
            return await find_subject(session, user_id, tenant_id)


def answered(response: httpx.Response) -> dict[str, str]:
    """Return the query that the client gets."""
    assert response.status_code == 302, response.text
    location = response.headers["location"]
    assert location.startswith(REDIRECT)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@pytest.fixture
async def desk(world: World, idp: IdentityProvider) -> AsyncIterator[Desk]:
    world.clock.seconds = SystemClock().now()  # the provider's tokens are of now
    await world.login_parts.keeper.look()
    transport = world.http._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as browser:
        yield Desk(world, idp, browser)


async def test_somebody_new_gets_an_account_and_the_roles_of_their_groups(desk: Desk) -> None:
    await add_tenant(desk.world, "ten_2")
    groups = [
        {"group": "ml", "tenant_id": "ten_default", "roles": ["deployer", "user"]},
        {"group": "money", "tenant_id": "ten_2", "roles": ["finance"]},
        {"group": "root", "roles": ["operator"]},
    ]
    await desk.adds(creates_users=True, needs_group=True, group_roles=groups)
    desk.idp.knows("s1", preferred_username="Nora", name="Nora N.", groups=["ml", "other"])
    tokens = (await desk.redeems(await desk.code("s1"))).json()
    subject = desk.world.verifier.verify(tokens["access_token"])
    assert (subject.roles, subject.platform_roles) == (frozenset({Role.DEPLOYER, Role.USER}), frozenset[Role]())
    assert await desk.subject(subject.id, "ten_2") is None

    desk.world.clock.seconds += 1
    desk.idp.knows("s1", preferred_username="Renamed", groups=["money", "root"])
    again = (await desk.redeems(await desk.code("s1"))).json()
    assert again["user_id"] == tokens["user_id"], "the provider's own id tells who it is, not the name"
    moved = await desk.subject(subject.id, "ten_2")
    assert moved is not None
    assert (moved.roles, moved.platform_roles) == (frozenset({Role.FINANCE}), frozenset({Role.OPERATOR}))
    assert (await desk.subject(subject.id)).roles == frozenset()  # type: ignore[union-attr]  # as above


async def test_roles_go_with_the_rule_that_gave_them_and_those_of_people_stay(desk: Desk) -> None:
    await add_tenant(desk.world, "ten_2")
    groups = [
        {"group": "ml", "tenant_id": "ten_default", "roles": ["user"]},
        {"group": "ml", "tenant_id": "ten_2", "roles": ["finance", "user"]},
        {"group": "ml", "roles": ["operator"]},
    ]
    await desk.adds(creates_users=True, group_roles=groups)
    desk.idp.knows("s9", preferred_username="mia", groups=["ml"])
    user_id = (await desk.redeems(await desk.code("s9"))).json()["user_id"]
    admin = desk.world.token(Role.ADMINISTRATOR)
    headers = {"authorization": f"Bearer {admin}", "if-match": "*"}
    both = {"platform_roles": ["operator", "viewer"]}
    assert (await desk.browser.patch(f"{API}/users/{user_id}", json=both, headers=headers)).status_code == 200

    [found] = (await desk.browser.get(f"{API}/oidc-providers", headers=headers)).json()["items"]
    rules = {**found["rules"], "group_roles": groups[:1]}
    body = {"name": "corporate", "issuer": found["issuer"], "client_id": found["client_id"], "rules": rules}
    changed = await desk.browser.put(f"{API}/oidc-providers/{found['id']}", json=body, headers=headers)
    assert changed.status_code == 200, changed.text
    desk.world.clock.seconds += 1
    await desk.redeems(await desk.code("s9"))
    home = await desk.subject(user_id)
    assert home is not None
    assert (home.roles, home.platform_roles) == (frozenset({Role.USER}), frozenset({Role.VIEWER}))
    async with desk.world.db.read() as session:
        assert await find_membership(session, "ten_2", user_id) is None


async def test_unknown_person_is_refused_unless_the_policy_makes_users(desk: Desk) -> None:
    await desk.adds()
    desk.idp.knows("s2", preferred_username="stranger")
    query = answered(await desk.comes_back("s2"))
    assert query["error"] == "access_denied"
    assert "unknown_user" in query["error_description"]


async def test_who_is_in_no_group_is_refused(desk: Desk) -> None:
    groups = [{"group": "ml", "tenant_id": "ten_default", "roles": ["user"]}]
    await desk.adds(creates_users=True, needs_group=True, group_roles=groups)
    desk.idp.knows("s3", preferred_username="nobody", groups="guests")
    assert "no_group" in answered(await desk.comes_back("s3"))["error_description"]


@pytest.mark.parametrize(
    ("links", "verified", "is_ann"),
    [(True, True, True), (True, False, False), (True, "true", False), (False, True, False)],
)
async def test_accounts_are_linked_by_a_verified_address_where_that_is_allowed(
    desk: Desk, links: bool, verified: object, is_ann: bool
) -> None:
    await add_person(desk.world)
    await desk.adds(links_by_email=links)
    desk.idp.knows("s4", email="Ann@Example.org", email_verified=verified)
    query = answered(await desk.comes_back("s4"))
    assert ("code" in query) is is_ann
    if is_ann:
        assert (await desk.redeems(query["code"])).json()["user_id"] == ANN


async def test_only_verified_addresses_of_named_domains_come_in(desk: Desk) -> None:
    await desk.adds(creates_users=True, email_domains=["example.org"])
    desk.idp.knows("s5", preferred_username="eve", email="eve@evil.example", email_verified=True)
    assert "email_domain" in answered(await desk.comes_back("s5"))["error_description"]


async def test_name_that_somebody_has_is_not_taken_over(desk: Desk) -> None:
    await add_person(desk.world)
    await desk.adds(creates_users=True)
    desk.idp.knows("s6", preferred_username="ann")
    assert "login_name" in answered(await desk.comes_back("s6"))["error_description"]


async def test_code_is_for_one_use_of_the_client_that_asked(desk: Desk) -> None:
    everybody = [{"group": "all", "tenant_id": "ten_default", "roles": ["user"]}]
    await desk.adds(creates_users=True, group_roles=everybody)
    desk.idp.knows("s7", preferred_username="seven", groups="all")
    assert (await desk.redeems(await desk.code("s7"), "another verifier")).status_code == 401
    code = await desk.code("s7")
    assert (await desk.redeems(code)).status_code == 201
    assert (await desk.redeems(code)).status_code == 401
    late = await desk.code("s7")
    desk.world.clock.seconds += 60
    assert (await desk.redeems(late)).status_code == 401


async def test_answer_counts_once_and_only_in_the_browser_that_began(desk: Desk) -> None:
    await desk.adds(creates_users=True)
    desk.idp.knows("s8", preferred_username="eight")
    begun = await desk.begins()
    back = desk.idp.log_in(begun.headers["location"], "s8")
    cookies = dict(desk.browser.cookies)
    desk.browser.cookies.clear()
    stolen = await desk.browser.get(back)
    assert (stolen.status_code, stolen.json()["code"]) == (403, "oidc_refused")
    desk.browser.cookies.update(cookies)
    assert "code" in answered(await desk.browser.get(back))
    desk.browser.cookies.update(cookies)
    assert (await desk.browser.get(back)).status_code == 403


async def test_refusal_at_the_provider_goes_back_to_the_client(desk: Desk) -> None:
    await desk.adds(creates_users=True)
    begun = await desk.begins()
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    back = await desk.browser.get(f"{API}/login/oidc/corporate/callback", params={"state": state, "error": "no"})
    assert answered(back)["error"] == "access_denied"


async def test_code_of_somebody_elses_login_is_refused_by_pkce(desk: Desk) -> None:
    """Who injects a code that was made for another login has no verifier that fits it."""
    await desk.adds(creates_users=True)
    desk.idp.knows("s9", preferred_username="nine")
    refused = desk.idp.refused_verifiers
    theirs, mine = await desk.begins(), await desk.begins()
    injected = parse_qs(urlsplit(desk.idp.log_in(theirs.headers["location"], "s9")).query)["code"][0]
    state = parse_qs(urlsplit(mine.headers["location"]).query)["state"][0]
    back = await desk.browser.get(f"{API}/login/oidc/corporate/callback", params={"state": state, "code": injected})
    assert "code" in answered(back)["error_description"]
    assert desk.idp.refused_verifiers == refused + 1


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "javascript:alert(1)",
        "http://localhost@evil.example",
        "//evil.example",
        "",
    ],
)
async def test_browsers_are_sent_to_no_address_of_strangers(desk: Desk, redirect_uri: str) -> None:
    await desk.adds()
    answer = await desk.begins(redirect_uri=redirect_uri)
    assert answer.status_code == 422
    out = await desk.browser.get(f"{API}/login/oidc/corporate/logout", params={"redirect_uri": redirect_uri or "x"})
    assert out.status_code == 422


async def test_logging_out_at_the_provider_and_options_are_open(desk: Desk) -> None:
    await desk.adds()
    out = await desk.browser.get(f"{API}/login/oidc/corporate/logout", params={"redirect_uri": REDIRECT})
    assert out.headers["location"].startswith(f"{desk.idp.issuer}/oauth2/end_session?client_id=roundhouse")
    options = (await desk.browser.get(f"{API}/login")).json()
    assert options == {"password": True, "oidc": ["corporate"]}


async def test_provider_that_is_away_or_another_than_it_says_is_a_problem_of_its_own(desk: Desk) -> None:
    admin = desk.world.token(Role.ADMINISTRATOR)
    for name, issuer in (("away", "http://localhost:9"), ("other", f"{desk.idp.issuer}/")):
        body = {"name": name, "issuer": issuer, "client_id": "c"}
        assert (await post(desk.world, "/oidc-providers", body, token=admin)).status_code == 201
        query = {"redirect_uri": REDIRECT, "code_challenge": CHALLENGE}
        answer = await desk.browser.get(f"{API}/login/oidc/{name}", params=query)
        assert (answer.status_code, answer.json()["code"]) == (503, "oidc_provider_away")


async def test_providers_secret_stays_with_its_issuer(desk: Desk) -> None:
    await desk.adds()
    headers = {"authorization": f"Bearer {desk.world.token(Role.ADMINISTRATOR)}", "if-match": "*"}
    [found] = (await desk.browser.get(f"{API}/oidc-providers", headers=headers)).json()["items"]
    body = {"name": "corporate", "issuer": "https://elsewhere.example", "client_id": "roundhouse"}
    path = f"{API}/oidc-providers/{found['id']}"
    changed = await desk.browser.put(path, json={**body, "issuer": found["issuer"]}, headers=headers)
    assert (changed.status_code, changed.json()["has_secret"]) == (200, True)
    changed = await desk.browser.put(path, json=body, headers=headers)
    assert changed.json()["has_secret"] is False
    assert (await desk.browser.delete(path, headers=headers)).status_code == 204
    assert (await desk.begins()).status_code == 404


async def test_a_provider_is_checked_before_anybody_logs_in(desk: Desk) -> None:
    world, token = desk.world, desk.world.token(Role.ADMINISTRATOR)
    await desk.adds()
    headers = {"authorization": f"Bearer {token}"}
    [added] = (await world.http.get(f"{API}/oidc-providers", headers=headers)).json()["items"]
    path = f"/oidc-providers/{added['id']}"
    good = (await post(world, f"{path}:check", {}, token=token)).json()
    assert (good["is_usable"], good["error"], good["keys"] > 0) == (True, "", True)
    assert good["token_endpoint"].startswith(desk.idp.issuer)
    body = {"name": "corporate", "issuer": desk.idp.issuer + "/elsewhere", "client_id": "roundhouse"}
    moved = await world.http.put(API + path, json=body, headers={**headers, "if-match": "*"})
    assert moved.status_code == 200, moved.text
    bad = (await post(world, f"{path}:check", {}, token=token)).json()
    assert (bad["is_usable"], bad["keys"]) == (False, 0)
    assert "cannot be used now" in bad["error"]
