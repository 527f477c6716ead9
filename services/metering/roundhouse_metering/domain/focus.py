"""FOCUS 1.2 (FinOps Open Cost and Usage Specification): one row per day and combination of who used what."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from roundhouse_common.contracts.money import NANO
from roundhouse_common.contracts.usage import TOKEN_CLASSES
from roundhouse_metering.domain.amounts import Amounts

__all__ = ["FOCUS_COLUMNS", "FocusCharge", "focus_row", "focus_time_row"]

_ISSUER: Final = "Roundhouse"
_SERVICE: Final = "Model inference"
_PRICED: Final = 1_000_000
"""Prices are for so many tokens."""
_TAGS: Final = "roundhouse/"
"""Tags that a provider gives, and not its users, begin with a prefix of its own."""
_TIME_UNIT: Final = "Seconds"
FOCUS_COLUMNS: Final = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit"),
    *(
        "ContractedCost",
        "EffectiveCost",
        "InvoiceIssuerName",
        "ListCost",
        "PricingCategory",
        "PricingQuantity",
    ),
    *("PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName"),
    *("ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SubAccountId"),
    *("SubAccountName", "SubAccountType", "Tags"),
    *("x_KeyId", "x_UserId", "x_Requests", "x_InputTokens", "x_CachedInputTokens", "x_CacheWriteTokens"),
    *("x_OutputTokens", "x_ReasoningTokens", "x_UnpricedRequests", "x_InputAudioTokens", "x_OutputAudioTokens"),
    *("x_InputImageTokens", "x_OutputImageTokens"),
)
"""The mandatory columns, those that apply here, and our own, which the specification wants to begin with `x_`."""
_COUNTS: Final = FOCUS_COLUMNS[FOCUS_COLUMNS.index("x_Requests") :]


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusCharge:
    """What a row is about. Texts may be empty where nobody knows."""

    day: datetime
    """Its beginning, UTC."""
    currency: str
    tenant_id: str
    project_id: str
    user_id: str
    key_id: str
    model_served: str
    operation: str
    deployment_id: str
    provider_id: str
    region: str


def focus_row(charge: FocusCharge, amounts: Amounts) -> Mapping[str, str]:
    """Return the row of requests as texts; empty means null. Those without a price are not in its costs, and counted.

    Deployments have no names here, only ids; the specification wants none that repeats its id.
    """
    tokens = sum(amounts[name] for name in TOKEN_CLASSES)
    consumed, unit = (tokens, "Tokens") if tokens else (amounts["requests"], "Requests")
    priced, pricing_unit = (Decimal(tokens) / _PRICED, f"{_PRICED} Tokens") if tokens else (Decimal(consumed), unit)
    counts = {
        "x_Requests": str(amounts["requests"]),
        "x_InputTokens": str(amounts["input_tokens"]),
        "x_CachedInputTokens": str(amounts["cached_input_tokens"]),
        "x_CacheWriteTokens": str(amounts["cache_write_tokens"]),
        "x_OutputTokens": str(amounts["output_tokens"]),
        "x_ReasoningTokens": str(amounts["reasoning_tokens"]),
        "x_UnpricedRequests": str(amounts["unpriced"]),
        "x_InputAudioTokens": str(amounts["input_audio_tokens"]),
        "x_OutputAudioTokens": str(amounts["output_audio_tokens"]),
        "x_InputImageTokens": str(amounts["input_image_tokens"]),
        "x_OutputImageTokens": str(amounts["output_image_tokens"]),
    }
    quantities = {
        "ConsumedQuantity": f"{consumed}.0",  # who tells types by the values is to see decimals
        "ConsumedUnit": unit,
        "PricingQuantity": f"{priced:f}",
        "PricingUnit": pricing_unit,
    }
    return _row(charge, _decimal(amounts["cost_nano"]), {**quantities, **counts})


def focus_time_row(charge: FocusCharge, *, seconds: float, cost_nano: int) -> Mapping[str, str]:
    """Return the row of the time of replicas that has a price, as texts."""
    quantity = f"{seconds:.3f}"
    quantities = {
        "ConsumedQuantity": quantity,
        "ConsumedUnit": _TIME_UNIT,
        "PricingQuantity": quantity,
        "PricingUnit": _TIME_UNIT,
    }
    return _row(charge, _decimal(cost_nano), {**quantities, **dict.fromkeys(_COUNTS, "0")})


def _row(charge: FocusCharge, cost: str, figures: Mapping[str, str]) -> Mapping[str, str]:
    month = charge.day.replace(day=1)
    tags = {"user": charge.user_id, "key": charge.key_id}
    resource = charge.deployment_id or charge.provider_id
    row = {
        "BilledCost": cost,
        "BillingAccountId": charge.tenant_id,
        "BillingAccountName": charge.tenant_id,
        "BillingAccountType": "Tenant",
        "BillingCurrency": charge.currency,
        "BillingPeriodEnd": _time((month + timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _time(month),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": " by ".join(filter(None, (charge.operation, charge.model_served))),
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _time(charge.day + timedelta(days=1)),
        "ChargePeriodStart": _time(charge.day),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceIssuerName": _ISSUER,
        "ListCost": cost,
        "PricingCategory": "Standard",
        "ProviderName": _ISSUER,
        "PublisherName": charge.provider_id or _ISSUER,
        "RegionId": charge.region,
        "RegionName": charge.region,
        "ResourceId": resource,
        "ResourceName": "",
        "ResourceType": ("Deployment" if charge.deployment_id else "Provider") if resource else "",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": _SERVICE,
        "ServiceSubcategory": "Generative AI",
        "SkuId": charge.model_served or charge.operation,
        "SubAccountId": charge.project_id,
        "SubAccountName": charge.project_id,
        "SubAccountType": "Project" if charge.project_id else "",
        "Tags": json.dumps({f"{_TAGS}{name}": value for name, value in tags.items() if value}),
        "x_KeyId": charge.key_id,
        "x_UserId": charge.user_id,
        **figures,
    }
    return {name: row[name] for name in FOCUS_COLUMNS}


def _decimal(nano: int) -> str:
    return f"{Decimal(nano) / NANO:f}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
