"""The pages of access, and the account."""

from roundhouse_console.kit.routes import Page
from roundhouse_console.pages import account
from roundhouse_console.pages.access import (
    audit,
    keys,
    member,
    members,
    projects,
    requests,
    roles,
    service_accounts,
    sign_on,
    tenants,
)

__all__ = ["ACCESS_PAGES"]

ACCESS_PAGES = (
    Page(path="/access", title="Access", icon="key", needs="keys:read", build=keys.show),
    Page(path="/access/projects", title="Projects", needs="members:read", build=projects.show),
    Page(path="/access/projects/{project_id}", title="Project", needs="members:read", build=projects.show_one),
    Page(path="/access/members", title="Members", needs="members:read", build=members.show),
    Page(path="/access/members/{user_id}", title="Member", needs="members:read", build=member.show),
    Page(path="/access/service-accounts", title="Service accounts", needs="members:read", build=service_accounts.show),
    Page(path="/access/roles", title="Roles", needs="members:read", build=roles.show),
    Page(path="/access/tenants", title="Tenants", needs="tenants:write", build=tenants.show),
    Page(path="/access/sign-on", title="Single sign-on", needs="platform:admin", build=sign_on.show),
    Page(path="/access/audit", title="Audit", needs="audit:read", build=audit.show),
    Page(path="/access/requests", title="Request log", needs="requests:read", build=requests.show),
    Page(path="/account", title="Account", build=account.show),
)
