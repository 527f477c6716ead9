"""The chain of the audit shows every entry that was changed, left out, put in or moved."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain.audit_chain import (
    GENESIS,
    Break,
    Entry,
    Head,
    canonical,
    entry_after,
    first_break,
    hash_of,
)
from roundhouse_common.contracts.identity import AuditOutcome, AuditRecord

BEGINNING = Head(sequence=0, hash=GENESIS)


def a_record(number: int = 1, **changes: object) -> AuditRecord:
    members = {
        "record_id": f"aud_{number}",
        "at": 1_795_000_000.25,
        "service": "catalog",
        "actor": "user:usr_a",
        "tenant_id": "ten_a",
        "action": "deployment.stop",
        **changes,
    }
    return AuditRecord(**members)  # type: ignore[arg-type]  # of several types


def a_chain(length: int) -> list[Entry]:
    head, entries = BEGINNING, []
    for number in range(1, length + 1):
        entry = entry_after(head, a_record(number))
        head = Head(sequence=entry.sequence, hash=entry.hash)
        entries.append(entry)
    return entries


def test_the_canonical_form_is_as_rfc_8785_has_it() -> None:
    text = canonical(a_record(at=1_795_000_000.0, object_name="Käfer\n\u20ac", change='{"a":[1,2]}'))
    assert text.startswith(
        '{"action":"deployment.stop","actor":"user:usr_a","at":1795000000,"change":"{\\"a\\":[1,2]}"'
    )
    assert '"object_name":"Käfer\\n€"' in text
    assert ": " not in text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_an_entry_says_what_was_recorded() -> None:
    record = a_record(outcome=AuditOutcome.REFUSED, reason="forbidden")
    assert entry_after(BEGINNING, record).read() == record


def test_a_whole_chain_holds_and_tells_its_head() -> None:
    chain = a_chain(5)
    assert first_break(chain, BEGINNING) == Head(sequence=5, hash=chain[-1].hash)
    assert first_break(chain[2:], Head(sequence=2, hash=chain[1].hash)) == Head(sequence=5, hash=chain[-1].hash)
    assert first_break([], BEGINNING) == BEGINNING


@given(st.integers(2, 12), st.data())
def test_the_first_entry_that_was_touched_is_named(length: int, data: st.DataObject) -> None:
    chain = a_chain(length)
    index = data.draw(st.integers(0, length - 1))
    record = canonical(a_record(99))
    chain[index] = replace(chain[index], record=record)
    assert first_break(chain, BEGINNING) == Break(sequence=index + 1, why="what it says was changed")
    rehashed = hash_of(index + 1, chain[index].previous_hash, record)
    chain[index] = replace(chain[index], hash=rehashed)
    found = first_break(chain, BEGINNING)
    if index + 1 < length:
        assert found == Break(sequence=index + 2, why="it does not follow from the entry before")
    else:  # the end can be written anew by whoever owns the database: only a head kept elsewhere shows it
        assert found == Head(sequence=length, hash=rehashed)


@pytest.mark.parametrize("missing", [0, 2])
def test_an_entry_that_was_left_out_is_named(missing: int) -> None:
    chain = a_chain(5)
    del chain[missing]
    found = first_break(chain, BEGINNING)
    assert isinstance(found, Break)
    assert found.sequence == missing + 1
    assert "missing" in found.why


def test_entries_that_changed_places_are_found() -> None:
    chain = a_chain(4)
    chain[1], chain[2] = chain[2], chain[1]
    assert isinstance(first_break(chain, BEGINNING), Break)
