"""Events that nothing sends yet are CloudEvents like all others."""

import json

import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from roundhouse_common.contracts.finance import RESERVED_TYPES, CloudEvent, StorageHour, TrainingJob
from roundhouse_common.contracts.generate.asyncapi import asyncapi_document
from roundhouse_metering.domain.feed import EventType, storage_event, training_event

HOUR = StorageHour(
    storage_hour_id="sth_adp_1_1795262400",
    tenant_id="ten_default",
    project_id="prj_1",
    resource_id="adp_1",
    resource_kind="adapter",
    since="2026-11-21T12:00:00.000Z",
    until="2026-11-21T13:00:00.000Z",
    bytes=2**30,
    byte_seconds=2**30 * 3600,
    recorded_at="2026-11-21T13:00:01.000Z",
)
JOB = TrainingJob(
    job_id="job_1",
    tenant_id="ten_default",
    user_id="usr_1",
    resource_id="",
    base_model="smollm2",
    outcome="failed",
    device_class="NVIDIA H100 80GB HBM3",
    devices=8,
    since="2026-11-21T12:00:00.000Z",
    until="2026-11-21T12:00:10.000Z",
    job_ms=10_000,
    device_ms=80_000,
    recorded_at="2026-11-21T12:00:11.000Z",
)


@pytest.mark.contract("F06")
@pytest.mark.parametrize(
    ("event", "told", "event_id", "subject"),
    [(storage_event(HOUR), HOUR, "sth_adp_1_1795262400", "adp_1"), (training_event(JOB), JOB, "job_1", None)],
)
def test_a_reserved_event_is_a_cloudevent_that_reads_back(
    event: CloudEvent, told: StorageHour | TrainingJob, event_id: str, subject: str | None
) -> None:
    sent = {name: value for name, value in msgspec.to_builtins(event).items() if value is not None}
    headers = {"content-type": "application/cloudevents+json"}
    read = from_structured_event(HTTPMessage(headers=headers, body=json.dumps(sent).encode()))
    assert (read.get_id(), read.get_type(), read.get_subject()) == (event_id, RESERVED_TYPES[type(told)], subject)
    assert read.get_time() is not None
    assert msgspec.convert(read.get_data(), type(told)) == told


def test_reserved_types_are_documented_and_none_that_is_sent() -> None:
    assert not set(RESERVED_TYPES.values()) & {one.value for one in EventType}
    components = asyncapi_document()["components"]
    for message, kind in RESERVED_TYPES.items():
        assert components["messages"][message.__name__]["x-roundhouse"]["cloudEventType"] == kind
        assert "tenant_id" in components["schemas"][message.__name__]["required"]
