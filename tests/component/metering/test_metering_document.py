"""Metering answers every request that can be made up from its OpenAPI document as the document says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.api_documents import Case, document_of, hold_to_the_document, requests_of
from tests.support.metering_api import Caller

KNOWN: dict[str, Any] = {
    "node_id": ["nod_1"],
    "replica_id": ["rep_1"],
    "deployment_id": ["dep_1"],
    "book": ["standard"],
}


@pytest.mark.contract("A02")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@given(case=requests_of(document_of("metering"), KNOWN))
@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
async def test_every_answer_is_as_documented(caller: Caller, case: Case) -> None:
    caller.http.headers.update(caller.headers())
    await hold_to_the_document(case, caller.http)
