"""Names, ids and parts of ids."""

import pytest

from roundhouse_cli.errors import Ambiguous, Failure
from roundhouse_cli.resolve import pick, short_id

_ONE = {"id": "dep_0197aa00000070008000000000000aaa", "name": "one"}
_TWO = {"id": "dep_0197aa00000070008000000000000bbb", "name": "two"}
_ITEMS = [_ONE, _TWO]


@pytest.mark.parametrize(
    "wanted",
    ["one", _ONE["id"], _ONE["id"][4:], "00000aaa", "dep_0197aa00000070008000000000000a", short_id(_ONE["id"])],
)
def test_one_thing_is_found_by_name_id_or_part(wanted: str) -> None:
    assert pick(_ITEMS, wanted, "deployment") is _ONE


def test_a_name_goes_before_a_part_of_another_id() -> None:
    named_like_a_part = {"id": "dep_0197cc", "name": "00000aaa"}

    assert pick([*_ITEMS, named_like_a_part], "00000aaa", "deployment") is named_like_a_part


def test_a_part_of_several_ids_is_ambiguous_and_names_them() -> None:
    with pytest.raises(Ambiguous, match=r"fits 2 deployments: one .* two"):
        pick(_ITEMS, "dep_0197", "deployment")


def test_two_things_of_one_name_need_the_id() -> None:
    with pytest.raises(Ambiguous, match="whole id"):
        pick([_ONE, {**_TWO, "name": "one"}], "one", "key")


@pytest.mark.parametrize("wanted", ["three", "aaa", "7000"])
def test_what_is_not_there_is_said_with_what_there_is(wanted: str) -> None:
    with pytest.raises(Failure, match="there are: one, two"):
        pick(_ITEMS, wanted, "deployment")


@pytest.mark.parametrize(("identifier", "shown"), [(_ONE["id"], "00000aaa"), ("nod_second", "nod_second"), ("", "")])
def test_only_made_ids_are_shortened(identifier: str, shown: str) -> None:
    assert short_id(identifier) == shown
