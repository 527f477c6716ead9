"""The journal says only what is true, whatever a crash leaves of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_node_agent.transfers.begun import read_begun, write_begun
from roundhouse_node_agent.transfers.journal import Journal, JournalHead, bytes_of, look

HEAD = JournalHead(size=1050, part_bytes=100, digest="d")


def journal_with(path: Path, *parts: int, head: JournalHead = HEAD) -> None:
    journal = Journal.begin(path, head)
    journal.add(parts)
    journal.close()


def reopened(path: Path) -> Journal:
    journal = Journal.open(path)
    assert journal is not None
    return journal


def test_parts_are_there_after_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    journal_with(path, 0, 3, 10)
    journal = reopened(path)
    journal.add([4])
    journal.close()
    assert (reopened(path).head, reopened(path).parts) == (HEAD, {0, 3, 4, 10})


def test_the_last_part_counts_with_its_own_length(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    journal_with(path, 0, 10)
    found = look(path)
    assert found == (HEAD, {0, 10})
    assert bytes_of(*found) == 150


def test_a_new_beginning_forgets_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    journal_with(path, 0, 1, 2)
    journal_with(path)
    assert reopened(path).parts == set()


def test_records_of_an_earlier_beginning_do_not_count(tmp_path: Path) -> None:
    path, other = tmp_path / "one.journal", tmp_path / "other.journal"
    journal_with(path, 0, 1)
    journal_with(other, head=JournalHead(size=1050, part_bytes=100, digest="another"))
    records = path.read_bytes().split(b"\n", 1)[1]
    other.write_bytes(other.read_bytes() + records)
    assert reopened(other).parts == set()


@pytest.mark.parametrize(
    "content", [b"", b"nonsense\n", b'{"size":1,"part_bytes":0}\n', b'{"version":9,"size":1,"part_bytes":1}\n']
)
def test_what_is_no_journal_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "one.journal"
    path.write_bytes(content)
    assert Journal.open(path) is None
    assert look(path) is None


def test_a_part_that_the_file_does_not_have_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    journal_with(path, 0, 11)
    assert reopened(path).parts == {0}


@given(cut=st.integers(0, 51), added=st.sets(st.integers(0, 10), max_size=4))
def test_a_torn_end_is_cut_off_and_what_is_added_then_counts(
    tmp_path_factory: pytest.TempPathFactory, cut: int, added: set[int]
) -> None:
    path = tmp_path_factory.mktemp("torn") / "one.journal"
    journal_with(path, 1, 5, 9)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    journal = reopened(path)
    left = {part for place, part in enumerate((1, 5, 9)) if cut <= 17 * (2 - place)}
    assert journal.parts == left
    journal.add(added)
    journal.close()
    assert reopened(path).parts == left | added


@given(at=st.integers(0, 50), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_a_part_whole_that_is_not(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "one.journal"
    journal_with(path, 1, 5, 9)
    content = bytearray(path.read_bytes())
    content[len(content) - 51 + at] ^= 1 << bit
    path.write_bytes(content)
    assert reopened(path).parts <= {1, 5, 9}


def test_how_far_parts_were_is_known_of_just_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "one.begun"
    assert read_begun(path, HEAD, ()) == {}
    write_begun(path, HEAD, {0: 30, 4: 100, 10: 50})
    assert read_begun(path, HEAD, {4}) == {0: 30, 10: 50}
    assert read_begun(path, JournalHead(size=1050, part_bytes=100, digest="another"), ()) == {}


@pytest.mark.parametrize("parts", [{11: 1}, {-1: 1}, {0: 101}, {10: 51}, {0: 0}, {0: -5}])
def test_what_a_part_cannot_have_is_not_believed(tmp_path: Path, parts: dict[int, int]) -> None:
    path = tmp_path / "one.begun"
    write_begun(path, HEAD, parts)
    assert read_begun(path, HEAD, ()) == {}
    path.write_bytes(path.read_bytes()[:-3])
    assert read_begun(path, HEAD, ()) == {}
