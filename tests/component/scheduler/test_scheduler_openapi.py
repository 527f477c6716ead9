"""The REST API is documented as it is."""

import json
from pathlib import Path

import pytest

from roundhouse_scheduler.main import openapi

GOLDEN = Path(__file__).parents[3] / "docs" / "reference" / "openapi-scheduler.json"


@pytest.mark.contract("A02")
def test_the_openapi_document_is_up_to_date() -> None:
    assert json.loads(GOLDEN.read_text()) == openapi(), (
        f"run: .venv/bin/python -m roundhouse_scheduler openapi > {GOLDEN.relative_to(Path(__file__).parents[3])}"
    )
