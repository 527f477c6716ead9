"""Routes and limits as forms: what is typed becomes what the catalog takes, and what it shows becomes the same form."""

import pytest

from roundhouse_console.domain.flow import reused_share
from roundhouse_console.domain.limits import bound_texts, limit_changes, number_of
from roundhouse_console.domain.routing import RouteDraft, TargetDraft, body_of, changed_of, example_name
from roundhouse_console.domain.units import amount


def test_a_target_for_some_requests_says_for_which_and_others_say_nothing() -> None:
    plain = TargetDraft(to="deployment:dep_1", weight=3, model="ignored")
    some = TargetDraft(to="provider:prv_1", model="m", header="X-Beta", value="yes", users="ann, bob")
    first, second = body_of(RouteDraft(name=" chat ", targets=[plain, some, TargetDraft()]))["targets"]
    assert first == {
        "deployment_id": "dep_1",
        "provider_id": "",
        "model": "",
        "weight": 3,
        "priority": 0,
        "match": None,
    }
    assert second["match"] == {"header": "x-beta", "value": "yes", "key_ids": [], "user_ids": ["ann", "bob"]}


def test_an_alias_has_no_targets_and_no_settings_of_its_own() -> None:
    body = body_of(RouteDraft(name="gpt-4", is_alias=True, alias_of="chat"))
    assert (body["alias_of"], body["targets"]) == ("chat", [])
    assert "balancing" not in body


@pytest.mark.parametrize(
    "draft",
    [
        RouteDraft(),
        RouteDraft(name="a"),
        RouteDraft(name="a", is_alias=True),
        RouteDraft(name="a", targets=[TargetDraft(to="deployment:d")], weights="eu=many"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(draft: RouteDraft) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        body_of(draft)


def test_only_what_became_another_value_is_sent() -> None:
    target = TargetDraft(to="deployment:d")
    before = body_of(RouteDraft(name="a", targets=[target]))
    after = body_of(RouteDraft(name="a", targets=[target], ttl_s=60))
    assert changed_of(before, after) == {"cache": {"ttl_s": 60, "max_answer_bytes": 1_048_576}}


def test_a_pattern_is_previewed_by_a_name_that_fits_it() -> None:
    assert example_name("gpt-*") == "gpt-example"


@pytest.mark.parametrize(("typed", "number"), [("100", 100), ("10k", 10_000), ("2M", 2_000_000), (" ", None)])
def test_bounds_are_typed_as_people_write_them(typed: str, number: int | None) -> None:
    assert number_of(typed) == number


def test_a_bound_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        number_of("many")


def test_bounds_that_do_not_hold_are_not_told_and_an_ended_one_is_sent() -> None:
    limit = {"requests_per_minute": 60, "tokens_per_day": None}
    assert bound_texts(limit) == [("{n|request|requests} per minute", 60)]
    assert limit_changes(limit, {"requests_per_minute": None, "tokens_per_day": None}) == {"requests_per_minute": None}


def test_the_share_of_reuse_counts_what_no_engine_worked_for() -> None:
    items = [{"key": "none", "requests": 3}, {"key": "cached", "requests": 1}]
    assert reused_share({"items": items}) == 0.25
    assert reused_share({"items": []}) is None


@pytest.mark.parametrize(("share", "shown"), [(100.0, "100"), (75.0, "75"), (33.333, "33.3"), (2.5, "2.5")])
def test_a_share_of_a_hundred_keeps_its_noughts(share: float, shown: str) -> None:
    assert amount(share) == shown
