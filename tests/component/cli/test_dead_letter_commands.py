"""Dead letters: those of every service are listed, and one is replayed or given up where it is."""

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

LETTERS = "/api/v1/dead-letters"
LETTER = {
    "letter_id": "dlq_1",
    "at": "2026-11-22T10:00:00.000Z",
    "consumer": "catalog-audit-metering",
    "subject": "rh.evt.v1.metering.audit.recorded.aud_1",
    "stream": "AUDIT",
    "stream_sequence": 7,
    "deliveries": 1,
    "error": "no room for it",
}


def of_the_catalog(server: Scripted) -> None:
    """Let the first service that is asked have a letter, and the others none."""
    server.items(LETTERS, LETTER)
    server.items(LETTERS)


def test_letters_of_the_catalog_are_listed_too(roundhouse: Command, server: Scripted) -> None:
    of_the_catalog(server)

    lines = roundhouse("admin", "dlq", "ls").out.splitlines()

    assert lines[1].split()[:2] == ["dlq_1", "catalog"]
    assert len([asked for asked in server.asked if asked.path == LETTERS]) == 3


def test_a_letter_is_given_up_with_a_reason(roundhouse: Command, server: Scripted) -> None:
    of_the_catalog(server)
    server.on("DELETE", f"{LETTERS}/dlq_1", b"", status=204)

    result = roundhouse("admin", "dlq", "discard", "dlq_1", "--reason", "a test of ours")

    assert result.code == 0, result.err
    assert server.last("DELETE").query == {"reason": "a test of ours"}


def test_nothing_is_given_up_without_a_reason(roundhouse: Command, server: Scripted) -> None:
    of_the_catalog(server)

    assert roundhouse("admin", "dlq", "discard", "dlq_1").code != 0
    assert not [asked for asked in server.asked if asked.method == "DELETE"]
