"""The ledger refuses what would make its sums wrong, and nothing else."""

import math

import msgspec
import pytest

from roundhouse_common.contracts.usage import Operation, Outcome, UsageSource
from roundhouse_metering.domain.records import fault
from tests.support.usage import usage_record


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FAILED, Outcome.ABORTED])
def test_every_known_outcome_is_taken(outcome: Outcome) -> None:
    assert fault(usage_record(outcome=outcome)) is None


def test_an_operation_or_source_of_a_newer_router_is_taken() -> None:
    assert fault(usage_record(operation=Operation.UNKNOWN, source=UsageSource.UNKNOWN)) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"request_id": ""}, "request_id"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"sequence": 0}, "counts from 1"),
        ({"sequence": 2**63}, "counts from 1"),
        ({"outcome": Outcome.UNKNOWN}, "upgrade, then replay"),
        ({"admitted_at": math.nan}, "Unix times"),
        ({"ended_at": -1.0}, "Unix times"),
        ({"http_status": 10**12}, "cannot be"),
        ({"input_tokens": -1}, "token counts"),
        ({"reasoning_tokens": 2**60}, "token counts"),
        ({"audio_ms": -1}, "counts"),
        ({"queued_ms": math.nan}, "counts"),
        ({"cache_write_tokens": 2**60}, "token counts"),
        ({"input_audio_tokens": -1}, "token counts"),
        ({"output_image_tokens": 2**60}, "token counts"),
        ({"images": 2**40}, "images"),
        ({"model_requested": "a\0b"}, "NUL"),
        ({"api": "a\0b"}, "NUL"),
        ({"key_id": "a\0b"}, "NUL"),
        ({"region": "a\0b"}, "NUL"),
        ({"duration_ms": 1e308}, "duration_ms"),
        ({"duration_ms": -0.1}, "duration_ms"),
        ({"duration_ms": math.nan}, "duration_ms"),
        ({"time_to_first_token_ms": math.inf}, "time_to_first_token_ms"),
    ],
)
def test_a_record_that_would_spoil_the_sums_is_refused(fields: dict[str, object], words: str) -> None:
    reason = fault(msgspec.structs.replace(usage_record(), **fields))
    assert reason is not None
    assert words in reason
