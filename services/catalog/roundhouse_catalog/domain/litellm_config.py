"""Reads a LiteLLM `config.yaml`, already parsed: what it asks for, and a report line for whatever cannot be taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from roundhouse_catalog.domain.findings import quoted
from roundhouse_catalog.domain.litellm_entries import Entry, Variables, read_entry
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_common.contracts.routing import FallbackReason

__all__ = ["LiteLLMConfig", "read_config"]

_FALLBACKS: Final[Mapping[str, FallbackReason]] = {
    "fallbacks": FallbackReason.ERROR,
    "context_window_fallbacks": FallbackReason.CONTEXT_LENGTH,
    "content_policy_fallbacks": FallbackReason.CONTENT_POLICY,
}
_ENFORCING: Final = frozenset(("usage-based-routing", "usage-based-routing-v2"))
_DEFAULT_CACHE_TTL_S: Final = 600.0
_HINTS: Final[Mapping[str, str]] = {
    "general_settings.master_key": "API keys are made here: `roundhouse keys create`",
    "general_settings.database_url": "the catalog has a database of its own",
    "general_settings.alerting": "alerts go out from Prometheus, by the router's metrics",
    "litellm_settings.drop_params": "parameters are passed on; a provider that does not know one says so",
    "litellm_settings.callbacks": "metrics and usage records are there without callbacks",
    "litellm_settings.success_callback": "metrics and usage records are there without callbacks",
    "litellm_settings.failure_callback": "metrics and usage records are there without callbacks",
    "litellm_settings.set_verbose": "the level of logs is a setting of each service",
    "litellm_settings.json_logs": "logs are JSON already",
    "router_settings.redis_host": "routers share state over the bus; exact limits over several need their own Redis",
    "router_settings.redis_port": "see redis_host",
    "router_settings.redis_password": "see redis_host",
    "router_settings.cooldown_time": "endpoints that fail are ejected for a growing time by every router itself",
    "router_settings.allowed_fails": "endpoints that fail are ejected for a growing time by every router itself",
    "router_settings.enable_pre_call_checks": "prompts that are too long lead to the fallback for that reason",
    "router_settings.retry_policy": "one number of attempts holds for all kinds of failures: see num_retries",
    "router_settings.retry_after": "the next target is tried at once",
}
_NO_COUNTERPART: Final = "there is no counterpart"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiteLLMConfig:
    """What the configuration asks for."""

    entries: tuple[Entry, ...]
    aliases: Mapping[str, str]
    fallbacks: Mapping[FallbackReason, Mapping[str, Sequence[str]]]
    default_fallbacks: Sequence[str]
    strategy: str
    is_rate_enforced: bool
    retries: int | None
    timeout_s: float
    stream_timeout_s: float
    cache_ttl_s: float
    variables_needed: Sequence[str] = field(default=())


def read_config(document: object, environment: Mapping[str, str], report: Report) -> LiteLLMConfig:
    """Return what the document asks for. Never raises: what makes no sense is a line of the report."""
    sections = _mapping(document)
    variables = Variables({**_literals(sections.get("environment_variables"), report), **environment})
    credentials = _credentials(sections.get("credential_list"), report)
    entries = _entries(sections.get("model_list"), variables, credentials, report)
    settings = _Settings(_mapping(sections.get("router_settings")), _mapping(sections.get("litellm_settings")), report)
    known = ("model_list", "router_settings", "litellm_settings", "environment_variables", "credential_list")
    for section, content in sections.items():
        if section not in known:
            _leave_section(str(section), content, report)
    return settings.config(entries, variables)


class _Settings:
    """`router_settings` and `litellm_settings`: both may say the same, and the router's goes first."""

    def __init__(self, router: Mapping[str, object], litellm: Mapping[str, object], report: Report) -> None:
        self._sections = {"router_settings": dict(router), "litellm_settings": dict(litellm)}
        self._report = report

    def config(self, entries: tuple[Entry, ...], variables: Variables) -> LiteLLMConfig:
        strategy = self._strategy()
        is_checked = self._is_rate_checked()
        fallbacks = {reason: self._fallbacks(name) for name, reason in _FALLBACKS.items()}
        default = self._names("default_fallbacks") or list(fallbacks[FallbackReason.ERROR].pop("*", ()))
        config = LiteLLMConfig(
            entries=entries,
            aliases=self._aliases(),
            fallbacks=fallbacks,
            default_fallbacks=default,
            strategy=strategy,
            is_rate_enforced=strategy in _ENFORCING or is_checked,
            retries=self._retries(),
            timeout_s=self._seconds("timeout") or self._seconds("request_timeout"),
            stream_timeout_s=self._seconds("stream_timeout"),
            cache_ttl_s=self._cache(),
            variables_needed=tuple(variables.missing),
        )
        self._leave_rest()
        return config

    def _take(self, name: str) -> tuple[str, object]:
        """Return the place and value of a setting, the first that is stated; an empty place when none is."""
        found = [
            (f"{section}.{name}", values.pop(name)) for section, values in self._sections.items() if name in values
        ]
        for place, _ in found[1:]:
            self._report.left_out(place, f"{found[0][0]} says it already")
        return found[0] if found else ("", None)

    def _strategy(self) -> str:
        place, stated = self._take("routing_strategy")
        if not place:
            return "simple-shuffle"
        value = str(stated)
        if value == "simple-shuffle":
            self._report.taken(place, "targets are drawn by weight")
        elif value == "least-busy":
            self._report.changed(place, "least-in-flight among replicas; between targets a draw by weight decides")
        elif value == "latency-based-routing":
            self._report.changed(place, "lowest-latency among replicas; between targets a draw by weight decides")
        elif value in _ENFORCING:
            self._report.changed(place, "rpm and tpm become limits of the routes, and weights of the targets")
        else:
            self._report.left_out(place, f"{quoted(value)}: {_NO_COUNTERPART}, and targets are drawn by weight")
        return value

    def _is_rate_checked(self) -> bool:
        place, value = self._take("optional_pre_call_checks")
        checks = value if isinstance(value, list) else []
        for one in checks:
            if one == "enforce_model_rate_limits":
                self._report.taken(place, "rpm and tpm become limits of the routes")
            else:
                self._report.left_out(place, f"{quoted(str(one))}: {_NO_COUNTERPART}")
        return "enforce_model_rate_limits" in checks

    def _fallbacks(self, name: str) -> dict[str, list[str]]:
        place, value = self._take(name)
        found: dict[str, list[str]] = {}
        for index, one in enumerate(value if isinstance(value, list) else []):
            for source, names in _mapping(one).items():
                good = [to for to in (names if isinstance(names, list) else [names]) if isinstance(to, str)]
                if not good or (isinstance(names, list) and len(good) < len(names)):
                    self._report.left_out(f"{place}[{index}]", "a fallback is the name of a model, and nothing else")
                found.setdefault(str(source), []).extend(good)
        return found

    def _names(self, name: str) -> list[str]:
        place, value = self._take(name)
        if not place:
            return []
        found = [one for one in (value if isinstance(value, list) else []) if isinstance(one, str)]
        if not found:
            self._report.left_out(place, "a list of names is wanted")
        return found

    def _aliases(self) -> dict[str, str]:
        place, value = self._take("model_group_alias")
        aliases = {}
        for alias, meant in _mapping(value).items():
            name = meant if isinstance(meant, str) else _mapping(meant).get("model")
            if not isinstance(name, str):
                self._report.left_out(f"{place}.{alias}", "it does not name a model")
                continue
            if _mapping(meant).get("hidden"):
                self._report.changed(f"{place}.{alias}.hidden", "it is listed like every route")
            aliases[str(alias)] = name
        return aliases

    def _retries(self) -> int | None:
        place, value = self._take("num_retries")
        if not place:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self._report.left_out(place, "a number of retries is wanted")
            return None
        self._report.taken(place, f"{min(value + 1, 10)} attempts at most, the first one included")
        return value

    def _seconds(self, name: str) -> float:
        place, value = self._take(name)
        if not place:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            self._report.left_out(place, "a number of seconds is wanted")
            return 0.0
        means = "for silence between two chunks" if name == "stream_timeout" else "to the first token"
        self._report.changed(place, f"{value:g} s {means}; a stream that goes on is never cut")
        return float(value)

    def _cache(self) -> float:
        place, value = self._take("cache")
        params = _mapping(self._take("cache_params")[1])
        for name in params:
            if name not in {"mode", "ttl", "type"}:
                self._report.left_out(f"cache_params.{name}", "where answers are kept is a router's setting")
            else:
                self._report.taken(f"cache_params.{name}", "see cache")
        if not place:
            return 0.0
        if value is not True or params.get("mode") == "default_off":
            self._report.left_out(place, "it is off, or off unless a request asks for it")
            return 0.0
        if "semantic" in str(params.get("type", "")):
            self._report.left_out(place, "a semantic cache has no counterpart: only equal requests are answered again")
            return 0.0
        ttl = params.get("ttl")
        is_number = isinstance(ttl, int | float) and not isinstance(ttl, bool) and ttl > 0
        ttl_s = float(ttl) if is_number and isinstance(ttl, int | float) else _DEFAULT_CACHE_TTL_S
        self._report.changed(place, f"every route keeps answers for {ttl_s:g} s; where, is a router's setting")
        return ttl_s

    def _leave_rest(self) -> None:
        for section, values in self._sections.items():
            for name in values:
                place = f"{section}.{name}"
                self._report.left_out(place, _HINTS.get(place, _NO_COUNTERPART))


def _entries(
    value: object, variables: Variables, credentials: Mapping[str, Mapping[str, object]], report: Report
) -> tuple[Entry, ...]:
    if not isinstance(value, list) or not value:
        report.left_out("model_list", "no list of models found; there is nothing to import")
        return ()
    read = [
        read_entry(f"model_list[{index}]", _mapping(one), variables, credentials, report)
        for index, one in enumerate(value)
    ]
    return tuple(entry for entry in read if entry is not None)


def _literals(value: object, report: Report) -> dict[str, str]:
    found = {}
    for name, text in _mapping(value).items():
        if isinstance(text, str | int | float) and not str(text).startswith("os.environ/"):
            found[str(name)] = str(text)
            report.taken(f"environment_variables.{name}", "its value is used where os.environ/ names it")
        else:
            report.left_out(f"environment_variables.{name}", "it has no value of its own; give it with the import")
    return found


def _credentials(value: object, report: Report) -> dict[str, Mapping[str, object]]:
    found = {}
    for index, one in enumerate(value if isinstance(value, list) else []):
        name, values = _mapping(one).get("credential_name"), _mapping(_mapping(one).get("credential_values"))
        if isinstance(name, str) and values:
            found[name] = values
            report.taken(f"credential_list[{index}]", "its values are used where a model names it")
        else:
            report.left_out(f"credential_list[{index}]", "a name and values are wanted")
    return found


def _leave_section(section: str, content: object, report: Report) -> None:
    fields = _mapping(content)
    if not fields:
        why = "merge the files first" if section == "include" else _NO_COUNTERPART
        report.left_out(section, why)
    for name in fields:
        place = f"{section}.{name}"
        report.left_out(place, _HINTS.get(place, _NO_COUNTERPART))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
