"""FOCUS rows keep the specification's requirements, which are named by their ids in its own model of version 1.2.

Every requirement in that model that can be told from rows is run; tests/fixtures/focus says where the model is from.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from roundhouse_metering.domain.amounts import SUMS, Amounts
from roundhouse_metering.domain.focus import FOCUS_COLUMNS, FocusCharge, focus_row, focus_time_row
from tests.support.focus_model import FocusModel

pytestmark = pytest.mark.contract("F06")

Row = Mapping[str, str]
MODEL = Path(__file__).parents[2] / "fixtures" / "focus" / "model-1.2.0.1.json.xz"
SUPPORTED = (
    "ACCOUNT_NAMING_SUPPORTED",
    "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED",
    "REGION_SUPPORTED",
    "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED",
    "SUB_ACCOUNT_SUPPORTED",
    "TAGGING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
)
"""Of what the specification makes requirements for; rows have no unit prices, commitments, zones or invoices."""


def amounts(**sums: int) -> Amounts:
    made = Amounts()
    for name, value in sums.items():
        made.sums[SUMS.index(name)] = value
    return made


WHOLE = FocusCharge(
    day=datetime(2026, 12, 31, tzinfo=UTC),
    currency="EUR",
    tenant_id="ten_1",
    project_id="prj_1",
    user_id="usr_1",
    key_id="key_1",
    model_served="smollm2",
    operation="chat",
    deployment_id="dep_1",
    provider_id="",
    region="eu-1",
)
BARE = dataclasses.replace(
    WHOLE, project_id="", user_id="", key_id="", model_served="", deployment_id="", region="", operation="speech"
)
ROWS: dict[str, Row] = {
    "tokens of a deployment": focus_row(WHOLE, amounts(requests=3, input_tokens=10, output_tokens=5, cost_nano=12_345)),
    "a provider's": focus_row(
        dataclasses.replace(BARE, provider_id="prv_1"), amounts(requests=2, cached_input_tokens=7, cost_nano=1)
    ),
    "without tokens, of nobody knows what": focus_row(BARE, amounts(requests=2, audio_ms=900, cost_nano=10**18)),
    "unpriced": focus_row(WHOLE, amounts(requests=1, input_tokens=1, unpriced=1)),
    "time of replicas": focus_time_row(
        dataclasses.replace(BARE, model_served="NVIDIA H100", operation="replica time", deployment_id="dep_1"),
        seconds=86_400.0,
        cost_nano=12_345,
    ),
    "corrected below nothing": focus_row(WHOLE, amounts(requests=1, cost_nano=-5)),
}
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")


@pytest.fixture(params=list(ROWS.values()), ids=list(ROWS))
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


def test_columns_have_their_names(row: Row) -> None:
    """ColumnHandling-A-001-M, A-003-M, A-010-M."""
    assert tuple(row) == FOCUS_COLUMNS
    assert all(re.fullmatch(r"(x_)?([A-Z][a-z]+)+", name) for name in row)


def test_what_must_not_be_null_is_not(row: Row) -> None:
    """The rules `MUST NOT be null` of each column, for rows of usage that are no corrections."""
    always = (
        *COSTS,
        *("BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "BillingPeriodEnd"),
        *("BillingPeriodStart", "ChargeCategory", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart"),
        *("ConsumedQuantity", "ConsumedUnit", "InvoiceIssuerName", "PricingCategory", "PricingQuantity"),
        *("PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory"),
        "SkuId",
    )
    assert [name for name in always if not row[name]] == []


def test_what_belongs_together_is_null_together(row: Row) -> None:
    """ResourceType-C-004-C, -005-C, SubAccountType-C-004-C, -005-C, SubAccountName, RegionName likewise."""
    for one, other in (
        ("ResourceId", "ResourceType"),
        ("SubAccountId", "SubAccountType"),
        ("SubAccountId", "SubAccountName"),
        ("RegionId", "RegionName"),
        ("ConsumedQuantity", "ConsumedUnit"),
        ("PricingQuantity", "PricingUnit"),
    ):
        assert bool(row[one]) == bool(row[other]), (one, other)


def test_nothing_stands_for_null_and_no_name_repeats_a_resources_id(row: Row) -> None:
    """NullHandling-A-002-M, ResourceName-C-006-C, StringHandling."""
    assert not {"unknown", "none", "null", "n/a", "not applicable"} & {value.lower() for value in row.values()}
    assert row["ResourceName"] == ""
    assert all(value == value.strip() for value in row.values())


def test_numbers_are_plain_decimals(row: Row) -> None:
    """NumericFormat-A-002-M to A-011-M."""
    for name in (*COSTS, "ConsumedQuantity", "PricingQuantity"):
        assert re.fullmatch(r"-?\d+(\.\d+)?", row[name]), (name, row[name])
    assert Decimal(row["PricingQuantity"]) >= 0


def test_periods_are_utc_and_within_one_another(row: Row) -> None:
    """DateTimeFormat, BillingPeriodStart-C-004-M and its like: starts are inclusive, ends exclusive."""
    assert row["BillingPeriodStart"] == "2026-12-01T00:00:00Z"
    assert row["BillingPeriodEnd"] == "2027-01-01T00:00:00Z"
    assert row["ChargePeriodStart"] == "2026-12-31T00:00:00Z"
    assert row["ChargePeriodEnd"] == "2027-01-01T00:00:00Z"


def test_values_are_among_the_allowed_ones(row: Row) -> None:
    """ChargeCategory-C-003-M, ChargeClass-C-003-C, ChargeFrequency-C-003-M, PricingCategory-C-007-M, -008-C,
    ServiceCategory-C-003-M, ServiceSubcategory-C-003-M, -004-M, BillingCurrency-C-003-M."""
    assert (row["ChargeCategory"], row["ChargeClass"]) == ("Usage", "")
    assert (row["ChargeFrequency"], row["PricingCategory"]) == ("Usage-Based", "Standard")
    assert (row["ServiceCategory"], row["ServiceSubcategory"]) == ("AI and Machine Learning", "Generative AI")
    assert re.fullmatch(r"[A-Z]{3}", row["BillingCurrency"])


def test_the_priced_quantity_is_in_the_price_lists_unit() -> None:
    """PricingUnit-C-008-M, UnitFormat: price books are per million tokens."""
    row = ROWS["tokens of a deployment"]
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("15.0", "Tokens")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("0.000015", "1000000 Tokens")
    requests = ROWS["without tokens, of nobody knows what"]
    assert (requests["PricingQuantity"], requests["PricingUnit"]) == ("2", "Requests")


def test_tags_are_a_flat_object_with_the_providers_prefix(row: Row) -> None:
    """KeyValueFormat-A-001-M to A-004-M, Tags-C-012-M."""
    tags = json.loads(row["Tags"])
    assert all(name.startswith("roundhouse/") and isinstance(value, str) and value for name, value in tags.items())


def test_every_requirement_of_the_specifications_own_model_holds() -> None:
    model = FocusModel(MODEL, SUPPORTED)
    rows = list(ROWS.values())
    assert len(model.applicable(rows[0])) > 150
    assert [str(found) for found in model.violations(rows)] == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"BilledCost": "1,5"}, "BilledCost-C-001-M"),
        ({"BilledCost": ""}, "BilledCost-C-003-M"),
        ({"ChargeCategory": "Use"}, "ChargeCategory-C-003-M"),
        ({"ResourceType": ""}, "ResourceType-C-005-C"),
        ({"ConsumedUnit": ""}, "ConsumedUnit-C-006-C"),
        ({"ChargePeriodStart": "2026-12-31"}, "ChargePeriodStart-C-001-M"),
        ({"Tags": "[1]"}, "Tags-C-001-M"),
        ({"ServiceSubcategory": "Databases"}, "ServiceSubcategory-C-003-M"),
    ],
)
def test_a_row_that_breaks_a_requirement_is_found(changes: dict[str, str], rule: str) -> None:
    model = FocusModel(MODEL, SUPPORTED)
    broken = {**ROWS["tokens of a deployment"], **changes}
    assert rule in [found.rule for found in model.violations([broken])]
