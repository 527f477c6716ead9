"""Things with markup in every text that REST takes freely, for pages to show."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import httpx

from tests.process.platform import DEMO, Platform

__all__ = ["LEAK", "LONG", "MARKUP", "Planted", "plant"]

LEAK: Final = "/xss-leak"
"""Markup that came alive asks our own host for this, which the content policy allows: its requests give it away."""
MARKUP: Final = f'<img src={LEAK} onerror=__xss=1>{{{{__xss=1}}}}" innerHTML="<b data-xss>'
"""An image with a handler, a template of Vue, and a way out of an attribute, in the 71 characters that names take."""
LONG: Final = (
    f"{MARKUP}</script><script>__xss=1</script><svg onload=__xss=1></svg><a data-xss href='javascript:__xss=1'>go</a>"
    f"<style data-xss>body{{background:url({LEAK})}}</style><iframe srcdoc='<script>parent.__xss=1</script>'></iframe>"
    f"${{__xss=1}} [go](javascript:__xss=1) ![seen]({LEAK}) <javascript:__xss=1> <details open ontoggle=__xss=1>"
)
_SOON_S: Final = 60.0
Json = dict[str, Any]
"""A document of a service. Any: the services own its shape."""


class Planted:
    """What was made, by kind; `close` of the stack that it was made with removes it."""

    def __init__(self, stage: Platform, undo: ExitStack) -> None:
        self.ids: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self._stage = stage
        self._undo = undo
        self._http = undo.enter_context(httpx.Client(timeout=30))

    @classmethod
    def empty(cls, stage: Platform) -> "Planted":
        """Return what has made nothing yet, for others who ask as the administrator."""
        return cls(stage, ExitStack())

    def send(self, method: str, service: str, path: str, body: object = None) -> Json:
        """Ask as the administrator and return the answer, which is no refusal."""
        headers = {"authorization": f"Bearer {self._stage.connection['admin_token']}", "if-match": "*"}
        url = f"{self._stage.connection[f'{service}_url']}/api/v1/{path}"
        answer = self._http.request(method, url, json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: Json = answer.json() if answer.content else {}
        return found

    def make(self, kind: str, service: str, path: str, body: Json, *, called_by: str = "id") -> None:
        made = self.send("POST", service, path, body)
        self.ids[kind] = made["id"]
        self.secrets[kind] = str(made.get("secret", ""))
        self._undo.callback(self.send, "DELETE", service, f"{path}/{made[called_by]}")

    def call(self, model: str) -> None:
        """Ask the model with the planted key, as soon as the router knows both."""
        body = {"model": model, "messages": [{"role": "user", "content": LONG}], "max_tokens": 2, "user": MARKUP}
        headers = {"authorization": f"Bearer {self.secrets['key']}", "user-agent": MARKUP}
        url = f"{self._stage.connection['router_url']}/v1/chat/completions"
        _soon(lambda: self._http.post(url, json=body, headers=headers).status_code == 200, model)
        _soon(lambda: self._http.post(url, json=body, headers=headers) and self._logged(model), "a line of the log")

    def log_bodies(self) -> None:
        """Have requests logged, with what was asked and answered."""
        tenant = "tenants/ten_default"
        before = self.send("GET", "catalog", tenant)["request_log"]
        self._undo.callback(self.send, "PATCH", "catalog", tenant, {"request_log": before})
        self.send("PATCH", "catalog", tenant, {"request_log": {"level": "bodies"}})

    def _logged(self, model: str) -> bool:
        found = self.send("GET", "catalog", "request-log?limit=20")["items"]
        return any(one["model_requested"] == model for one in found)

    def wait_for(self, condition: Callable[[Json], object], service: str, path: str) -> None:
        _soon(lambda: condition(self.send("GET", service, path)), path)

    def broken_deployment(self) -> None:
        """Deploy an engine that says the markup when it does not start, in its log and as the reason."""
        made = self.send(
            "POST",
            "catalog",
            "deployments",
            {
                "name": "planted",
                "model": DEMO,
                "engine": "llama.cpp",
                "parameters": {"chat_template_file": f"/nowhere/{MARKUP}"},
                "resources": {"memory_bytes": 300 * 2**20},
            },
        )
        self.ids["deployment"] = path = made["id"]
        self._undo.callback(self._end_deployment, path)

    def _end_deployment(self, deployment_id: str) -> None:
        self.send("POST", "catalog", f"deployments/{deployment_id}:stop")
        status = f"deployments/{deployment_id}/status"
        self.wait_for(lambda found: found["state"] == "Stopped", "scheduler", status)
        self.send("DELETE", "catalog", f"deployments/{deployment_id}")


def plant(stage: Platform, undo: ExitStack) -> Planted:
    """Make one of everything that has a free text."""
    made = Planted(stage, undo)
    made.log_bodies()
    made.broken_deployment()
    _plant_access(made)
    _plant_traffic(made)
    _plant_node(made, stage, undo)
    source = {"kind": "path", "uri": f"/nowhere/planted-source {MARKUP}.gguf"}
    defaults = {"chat_template": f"planted-template {LONG}", "system_message": f"planted-system {LONG}"}
    known = {"memory_bytes": 10**6, "context_length": 128}
    made.make(
        "model",
        "catalog",
        "models",
        {"name": "planted", "kind": "chat", "source": source, "defaults": defaults, **known},
    )
    template = {"name": "planted", "engine": "llama.cpp", "description": f"planted-template {LONG}"}
    made.make("template", "catalog", "templates", template, called_by="name")
    files = [{"path": f"planted-file {MARKUP}.gguf", "size": 3, "sha256": "0" * 64}]
    made.make("upload", "catalog", "uploads", {"files": files})
    budget = {"name": f"planted-budget {MARKUP}", "amount": 10**12, "scope": "tenant", "scope_id": "ten_default"}
    made.make("budget", "metering", "budgets", budget)
    made.call(f"planted-route {MARKUP}")
    return made


def _plant_access(made: Planted) -> None:
    user = {"name": "planted", "display_name": f"planted-person {MARKUP}", "roles": ["administrator"]}
    made.make("user", "catalog", "users", user)
    made.make("key", "catalog", "api-keys", {"name": f"planted-key {MARKUP}", "user_id": made.ids["user"]})
    made.make("token", "catalog", "tokens", {"name": f"planted-token {MARKUP}"})
    made.make("project", "catalog", "projects", {"name": "planted", "description": f"planted-project {LONG}"})
    made.make(
        "role", "catalog", "roles", {"name": "planted", "description": f"planted-role {LONG}", "actions": ["usage:own"]}
    )
    account = {"name": "planted-account", "display_name": f"planted-program {MARKUP}"}
    made.make("account", "catalog", "service-accounts", account)
    sign_on = {"name": "planted", "client_id": f"planted-client {MARKUP}", "issuer": f"https://127.0.0.1:1/{MARKUP}"}
    made.make("sign-on", "catalog", "oidc-providers", {**sign_on, "is_enabled": False})


def _plant_traffic(made: Planted) -> None:
    route = {"name": f"planted-route {MARKUP}", "alias_of": DEMO}
    made.make("route", "catalog", "routes", route)
    limit = {"name": f"planted-limit {MARKUP}", "requests_per_minute": 60_000}
    made.make("limit", "catalog", "limits", limit)
    provider = {"name": "planted", "format": "openai", "base_url": "http://127.0.0.1:9/v1"}
    keys = [{"name": f"planted-secret {MARKUP}", "secret": "none"}]
    made.make("provider", "catalog", "providers", {**provider, "keys": keys, "headers": {"x-planted": LONG}})


def _plant_node(made: Planted, stage: Platform, undo: ExitStack) -> None:
    node = stage.nodes()[0]
    made.ids["node"] = node["id"]
    before = {name: node[name] for name in ("labels", "region", "zone")}
    undo.callback(made.send, "PATCH", "scheduler", f"nodes/{node['id']}", before)
    labels = {**node["labels"], "planted": f"planted-label {MARKUP}"}
    changed = {"labels": labels, "region": f"planted-region {MARKUP}", "zone": f"planted-zone {MARKUP}"}
    made.send("PATCH", "scheduler", f"nodes/{node['id']}", changed)
    made.make("join", "scheduler", "join-tokens", {"labels": {"planted": f"planted-join {MARKUP}"}})


def _soon(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _SOON_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {_SOON_S} s: {what}"
        time.sleep(0.2)
