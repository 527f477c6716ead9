"""Every endpoint of every service declares what it needs, and does what it declared for every kind of caller."""

import itertools
from types import MappingProxyType

import pytest

from roundhouse_common.auth import Role, Subject
from tests.component.access.worlds import Platform
from tests.support.access_routes import Endpoint

PUBLIC = frozenset(
    (
        "catalog GET /api/v1/login",  # which ways there are
        "catalog GET /api/v1/login/oidc/{name}",
        "catalog GET /api/v1/login/oidc/{name}/callback",
        "catalog GET /api/v1/login/oidc/{name}/logout",
        "catalog POST /api/v1/login/oidc/{name}/backchannel-logout",  # signed by the provider
        "catalog POST /api/v1/password:change",  # with the password as it was
        "catalog POST /api/v1/sessions",
        "catalog POST /api/v1/sessions:exchange",  # a personal token
        "catalog POST /api/v1/sessions:redeem",  # a code, used once
        "catalog POST /api/v1/sessions:refresh",
    )
)
"""What answers without an access token, because it is where they come from."""

OTHERWISE = {
    "catalog GET /api/v1/uploads/{upload_id}": "models:write, or the upload's own token",
    "catalog GET /api/v1/uploads/{upload_id}/files/{path:path}": "models:write, or the upload's own token",
    "catalog HEAD /api/v1/uploads/{upload_id}/files/{path:path}": "models:write, or the upload's own token",
    "scheduler POST /api/v1/nodes:join": "a join token, shown once and used once",
}
"""What lets callers in by other means than an access token alone."""

SERVICES = ("catalog", "scheduler", "metering")
PROJECT = "prj_mine"
TENANT = "ten_default"
WHO = "usr_admin"
"""Known to the directory; what the tokens say is not what it would say."""


def callers() -> dict[str, Subject]:
    """Return somebody of every kind: without roles, with each role in the tenant, on the platform and in a project, and
    with roles of the tenant's own."""
    found = {"nothing": Subject(id=WHO, tenant_id=TENANT)}
    for role in Role:
        roles = frozenset({role})
        found[f"{role} in the tenant"] = Subject(id=WHO, tenant_id=TENANT, roles=roles)
        found[f"{role} on the platform"] = Subject(id=WHO, tenant_id=TENANT, platform_roles=roles)
        in_project = MappingProxyType({PROJECT: roles})
        found[f"{role} in a project"] = Subject(id=WHO, tenant_id=TENANT, project_roles=in_project)
    for action in ("logs:read", "members:write", "deployments:write", "nodes:write", "platform:admin"):
        found[f"own role for {action}"] = Subject(id=WHO, tenant_id=TENANT, grants=frozenset({action}))
    return found


def guarded(platform: Platform) -> list[Endpoint]:
    return [one for one in platform.endpoints() if one.key not in PUBLIC | OTHERWISE.keys()]


@pytest.mark.contract("E02")
async def test_every_endpoint_declares_what_it_needs(platform: Platform) -> None:
    endpoints = platform.endpoints()
    assert len(endpoints) > 100, "the routes were not found"
    assert [one.key for one in guarded(platform) if not one.requirements] == []
    known = {one.key for one in endpoints}
    assert PUBLIC | OTHERWISE.keys() <= known, "a list names what is not there any more"


async def test_nothing_answers_without_a_token_or_with_a_false_one(platform: Platform) -> None:
    wrong = {}
    for endpoint in guarded(platform):
        served = platform.services[endpoint.service]
        for credentials in ("", "Bearer x.y.z", "Basic dXNyOnB3"):
            headers = {"authorization": credentials} if credentials else {"authorization": ""}
            got = await served.http.request(endpoint.method, endpoint.url({}), headers=headers)
            if got.status_code != 401:
                wrong[endpoint.key, credentials] = got.status_code
    assert wrong == {}


@pytest.mark.timeout(600)  # 3,000 requests, on a machine that may have much else to do
@pytest.mark.contract("E02", "E03")
@pytest.mark.parametrize("service", SERVICES)
async def test_every_caller_gets_what_the_table_says(platform: Platform, service: str) -> None:
    """403 exactly where the table refuses. Elsewhere the empty request is answered, or refused for what it says."""
    wrong, permitted = {}, 0
    assert set(platform.services) == set(SERVICES)
    endpoints = [one for one in guarded(platform) if one.service == service]
    for endpoint, (kind, subject) in itertools.product(endpoints, callers().items()):
        may = endpoint.permits(subject)
        if may and "join" in endpoint.path:
            continue  # its part of the service is not there: only what it declares and refuses is
        got = await platform.call(endpoint, subject)
        permitted += may
        if may is (got.status_code in (401, 403)) or got.status_code == 500:
            wrong[endpoint.key, kind] = (got.status_code, got.text[:200])
    assert wrong == {}
    assert permitted > 150


async def test_a_token_for_a_tenant_that_is_not_there_is_refused(platform: Platform) -> None:
    everything = frozenset({Role.ADMINISTRATOR})
    stranger = Subject(id=WHO, tenant_id="ten_none", roles=everything, platform_roles=everything)
    answers = {one.key: await platform.call(one, stranger) for one in guarded(platform) if one.service == "catalog"}
    assert {key for key, got in answers.items() if got.status_code != 403} == set()
