"""One entry of a LiteLLM `model_list`: which model of which provider it is, and how much of the traffic it gets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from roundhouse_catalog.domain.findings import quoted
from roundhouse_catalog.domain.litellm_kinds import kind_of_entry
from roundhouse_catalog.domain.litellm_providers import KNOWN, SAME, UNSUPPORTED, Known, base_address, guessed_prefix
from roundhouse_catalog.domain.litellm_report import Report
from roundhouse_catalog.domain.provider_addresses import header_fault
from roundhouse_common.contracts.catalog import ModelKind

__all__ = ["Entry", "Variables", "read_entry"]

_VARIABLE: Final = "os.environ/"
_READ: Final = frozenset(
    (
        "api_base",
        "api_key",
        "base_url",
        "custom_llm_provider",
        "extra_headers",
        "litellm_credential_name",
        "model",
        "order",
        "organization",
        "rpm",
        "stream_timeout",
        "timeout",
        "tpm",
        "weight",
    )
)
_HINTS: Final[Mapping[str, str]] = {
    "input_cost_per_token": "prices are metering's: see its price list",
    "output_cost_per_token": "prices are metering's: see its price list",
    "max_parallel_requests": "state it as the provider's `in_flight_most`",
    "num_retries": "the number of attempts is one for a whole route: see router_settings.num_retries",
    "max_retries": "the number of attempts is one for a whole route: see router_settings.num_retries",
    "drop_params": "parameters are passed on; a provider that does not know one says so",
    "mock_response": "nothing is made up",
    "api_version": "only Azure has versions of its API in addresses",
}
_DEFAULTED: Final = frozenset(
    (
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "presence_penalty",
        "seed",
        "stop",
        "temperature",
        "top_p",
    )
)


class Variables:
    """Values of `os.environ/NAME`. What is asked for and not there is kept in `missing`."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.missing: dict[str, None] = {}

    def resolve(self, value: object) -> str:
        """Return the text, or the variable's that it names; empty when there is none."""
        text = value if isinstance(value, str) else ""
        return self.get(text.removeprefix(_VARIABLE)) if text.startswith(_VARIABLE) else text.strip()

    def get(self, name: str) -> str:
        """Return the variable's value; empty, and noted as missing, when there is none."""
        value = self._values.get(name, "").strip()
        if not value:
            self.missing[name] = None
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of one provider under a name for clients."""

    place: str
    model_name: str
    prefix: str
    base_url: str
    model: str
    """As the provider calls it; it may have a `*`."""
    secret: str = field(repr=False)
    """Empty: none is needed, or it is not known."""
    headers: Mapping[str, str]
    kind: ModelKind
    weight: float | None
    rpm: int | None
    tpm: int | None
    order: int | None
    timeout_s: float
    stream_timeout_s: float


def read_entry(
    place: str,
    entry: Mapping[str, object],
    variables: Variables,
    credentials: Mapping[str, Mapping[str, object]],
    report: Report,
) -> Entry | None:
    """Return the entry, or None with the reason in the report."""
    name, stated = entry.get("model_name"), entry.get("litellm_params")
    if not isinstance(name, str) or not name or not isinstance(stated, dict):
        report.left_out(place, "it has no model_name, or no litellm_params")
        return None
    params = {**credentials.get(str(stated.get("litellm_credential_name")), {}), **stated}
    found = _provider(place, params, report)
    if found is None:
        return None
    prefix, model = found
    known = KNOWN[prefix]
    base_url = base_address(known, variables.resolve(params.get("api_base") or params.get("base_url")))
    if not base_url:
        report.left_out(place, f"{prefix} has no address of its own, and api_base does not give one")
        return None
    path = f"{place}.litellm_params"
    _leave_fields(place, entry, params, report)
    return Entry(
        place=place,
        model_name=name,
        prefix=prefix,
        base_url=base_url,
        model=model,
        secret=_secret(known, params, variables),
        headers=_headers(path, params, variables, report),
        kind=kind_of_entry(place, entry, str(params.get("model")), report),
        weight=_number(path, "weight", params, report),
        rpm=_whole(_number(path, "rpm", {**entry, **params}, report)),
        tpm=_whole(_number(path, "tpm", {**entry, **params}, report)),
        order=_whole(_number(path, "order", params, report)),
        timeout_s=_number(path, "timeout", params, report) or 0.0,
        stream_timeout_s=_number(path, "stream_timeout", params, report) or 0.0,
    )


def _provider(place: str, params: Mapping[str, object], report: Report) -> tuple[str, str] | None:
    """Return the prefix and the provider's own name of the model."""
    stated = params.get("model")
    if not isinstance(stated, str) or not stated:
        report.left_out(place, "litellm_params has no model")
        return None
    prefix, slash, model = stated.partition("/")
    custom = params.get("custom_llm_provider")
    if isinstance(custom, str) and custom:
        prefix, model = custom, stated.removeprefix(f"{custom}/")
    elif not slash or not {prefix, SAME.get(prefix, prefix)} & (KNOWN.keys() | UNSUPPORTED.keys()):
        prefix, model = guessed_prefix(stated), stated
    prefix = SAME.get(prefix, prefix)
    if prefix in UNSUPPORTED:
        report.left_out(place, f"{quoted(stated)}: {UNSUPPORTED[prefix]}")
        return None
    if prefix not in KNOWN:
        report.left_out(
            place,
            f"{quoted(stated)} does not tell a provider that is known here; where it is OpenAI-compatible, write "
            "openai/MODEL with its api_base",
        )
        return None
    return prefix, model


def _secret(known: Known, params: Mapping[str, object], variables: Variables) -> str:
    stated = params.get("api_key")
    if stated not in (None, ""):
        return variables.resolve(str(stated))
    has_own_address = bool(params.get("api_base") or params.get("base_url"))
    return variables.get(known.key_variable) if known.key_variable and not has_own_address else ""


def _headers(path: str, params: Mapping[str, object], variables: Variables, report: Report) -> dict[str, str]:
    headers = {}
    extra = params.get("extra_headers")
    for name, value in (extra if isinstance(extra, dict) else {}).items():
        text = variables.resolve(str(value))
        if fault := header_fault(str(name), text):
            report.left_out(f"{path}.extra_headers.{name}", fault)
        else:
            headers[str(name).lower()] = text
    if organization := variables.resolve(params.get("organization")):
        headers["openai-organization"] = organization
    return headers


def _number(path: str, name: str, params: Mapping[str, object], report: Report) -> float | None:
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        report.left_out(f"{path}.{name}", f"{quoted(str(value))} is no number that can be taken")
        return None
    return float(value)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _leave_fields(place: str, entry: Mapping[str, object], params: Mapping[str, object], report: Report) -> None:
    for name in params:
        if name in _DEFAULTED:
            report.left_out(f"{place}.litellm_params.{name}", "clients state it: routes add no parameters to requests")
        elif name not in _READ:
            report.left_out(f"{place}.litellm_params.{name}", _HINTS.get(name, "there is no counterpart"))
    info = entry.get("model_info")
    for name in info if isinstance(info, dict) else ():
        if name != "mode":
            report.left_out(f"{place}.model_info.{name}", _HINTS.get(name, "it is not needed"))
    for name in entry:
        if name not in {"model_name", "litellm_params", "model_info", "rpm", "tpm"}:
            report.left_out(f"{place}.{name}", "there is no counterpart")
