"""Access: API keys, projects, people, roles, service accounts, tenants, single sign-on, the audit, the request log."""
