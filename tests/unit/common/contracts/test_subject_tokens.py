"""No identifier is more than one token: none widens a subscription, names other keys, or ends a line."""

import pytest

from roundhouse_common.contracts.generate.subjects import any_subject, bucket_subject, hint_subject, subject_of, token
from roundhouse_common.contracts.registry import ENDPOINTS, KEYS, READ_LOG
from tests.support.hostile import HOSTILE, SUBJECTS

STRANGE = sorted(
    {*SUBJECTS, *HOSTILE["lines"], *HOSTILE["control"], *HOSTILE["redis"], "", "a\n", "\na", "a\r", "é", "１"}
)


@pytest.mark.parametrize("value", STRANGE, ids=ascii)
def test_what_is_more_or_less_than_a_token_is_no_part_of_a_subject(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a subject"):
        token(value)
    with pytest.raises(ValueError, match="cannot be part of a subject"):
        subject_of(READ_LOG, (value,) * READ_LOG.id_tokens)
    if value not in ("*", ">"):
        for place in (bucket_subject, hint_subject):
            with pytest.raises(ValueError, match="cannot be part of a subject"):
                place(KEYS, value)
    if value != "*":
        with pytest.raises(ValueError, match="cannot be part of a subject"):
            any_subject(READ_LOG, (value,))


def test_the_ids_that_are_made_here_are_tokens() -> None:
    for value in ("rep_01a20169", "2027-01-01", "a=b", "A"):
        assert token(value) == value
    assert bucket_subject(ENDPOINTS, "dep_1").endswith(".dep_1")
