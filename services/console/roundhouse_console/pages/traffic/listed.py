"""The pages of traffic."""

from roundhouse_console.kit.routes import Page
from roundhouse_console.pages.traffic import editor, flow, limits, listing, litellm, providers

__all__ = ["TRAFFIC_PAGES"]

TRAFFIC_PAGES = (
    Page(path="/traffic", title="Traffic", icon="alt_route", needs="routes:read", build=listing.show),
    Page(path="/traffic/new", title="New route", needs="routes:write", build=editor.show_new),
    Page(path="/traffic/routes/{route_id}", title="Route", needs="routes:read", build=editor.show),
    Page(path="/traffic/import", title="Import from LiteLLM", needs="providers:write", build=litellm.show),
    Page(path="/traffic/providers", title="Providers", needs="providers:read", build=providers.show),
    Page(path="/traffic/flow", title="Flow", needs="routes:read", build=flow.show),
    Page(path="/traffic/limits", title="Limits", needs="limits:read", build=limits.show),
)
