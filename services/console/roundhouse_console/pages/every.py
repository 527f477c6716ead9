"""Every page, in the order of the navigation."""

from roundhouse_console.kit.routes import Page
from roundhouse_console.pages import letters, overview, welcome
from roundhouse_console.pages.access.listed import ACCESS_PAGES
from roundhouse_console.pages.deployments import detail as deployment
from roundhouse_console.pages.deployments import listing as deployments
from roundhouse_console.pages.deployments import new as new_deployment
from roundhouse_console.pages.deployments import switches
from roundhouse_console.pages.models import adding as new_model
from roundhouse_console.pages.models import detail as model
from roundhouse_console.pages.models import listing as models
from roundhouse_console.pages.nodes import detail as node
from roundhouse_console.pages.nodes import engines, files, tokens
from roundhouse_console.pages.nodes import listing as nodes
from roundhouse_console.pages.playground import page as playground
from roundhouse_console.pages.templates import detail as template
from roundhouse_console.pages.templates import editor as template_editor
from roundhouse_console.pages.templates import listing as templates
from roundhouse_console.pages.traffic.listed import TRAFFIC_PAGES
from roundhouse_console.pages.usage import budgets, prices, records, reprice, totals

__all__ = ["PAGES"]

PAGES = (
    Page(path="/", title="Overview", icon="space_dashboard", build=overview.show),
    Page(path="/welcome", title="Welcome", needs="deployments:write", build=welcome.show, is_for_operators=True),
    Page(path="/models", title="Marketplace", icon="storefront", needs="models:read", build=models.show),
    Page(path="/models/add", title="Add a model", needs="models:write", build=new_model.show),
    Page(path="/models/{model_id}", title="Model", needs="models:read", build=model.show),
    Page(path="/playground", title="Playground", icon="chat", needs="keys:write", build=playground.show),
    Page(path="/playground/{conversation_id}", title="Playground", needs="keys:write", build=playground.show),
    Page(
        path="/deployments", title="Deployments", icon="rocket_launch", needs="deployments:read", build=deployments.show
    ),
    Page(path="/deployments/new", title="Deploy a model", needs="deployments:write", build=new_deployment.show),
    Page(path="/deployments/switches", title="Switches", needs="deployments:write", build=switches.show),
    Page(path="/deployments/templates", title="Templates", needs="deployments:write", build=templates.show),
    Page(path="/deployments/new-template", title="New template", needs="deployments:write", build=template_editor.show),
    Page(path="/deployments/templates/{name}", title="Template", needs="deployments:write", build=template.show),
    Page(path="/deployments/{deployment_id}", title="Deployment", needs="deployments:read", build=deployment.show),
    Page(path="/nodes", title="Nodes", icon="dns", needs="nodes:read", build=nodes.show, is_for_operators=True),
    Page(path="/nodes/engines", title="Engines", needs="nodes:read", build=engines.show, is_for_operators=True),
    Page(path="/nodes/files", title="Model files", needs="nodes:read", build=files.show, is_for_operators=True),
    Page(path="/nodes/tokens", title="Join tokens", needs="nodes:write", build=tokens.show, is_for_operators=True),
    Page(path="/nodes/{node_id}", title="Node", needs="nodes:read", build=node.show, is_for_operators=True),
    *TRAFFIC_PAGES,
    Page(path="/usage", title="Usage", icon="insights", needs="usage:own", build=totals.show),
    Page(path="/usage/budgets", title="Budgets", needs="budgets:read", build=budgets.show),
    Page(path="/usage/prices", title="Prices", needs="prices:read", build=prices.show),
    Page(path="/usage/reprice", title="Price again", needs="prices:write", build=reprice.show),
    Page(path="/usage/records", title="Records", needs="usage:own", build=records.show),
    *ACCESS_PAGES,
    Page(
        path="/dead-letters",
        title="Dead letters",
        icon="markunread_mailbox",
        needs="platform:admin",
        build=letters.show,
        is_for_operators=True,
    ),
)
