"""Names of models lead to routes: patterns, the one that wins, aliases, and for whom a target is."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_common.contracts.routing import RouteMatch, RouteTarget
from roundhouse_common.routing import (
    MOST_ALIASES,
    Sender,
    find_named,
    fits_pattern,
    follow_alias,
    match_route,
    shares,
    targets_for,
)

pytestmark = pytest.mark.contract("D08")


@dataclass(frozen=True)
class Named:
    name: str
    alias_of: str = ""
    tenant_id: str = "ten_a"


def finder(*routes: Named) -> Callable[[str, str], Named | None]:
    return lambda tenant_id, name: next((r for r in routes if (r.tenant_id, r.name) == (tenant_id, name)), None)


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("*", "", True),
        ("gpt-*", "gpt-4", True),
        ("gpt-*", "gpt", False),
        ("*/llama", "meta/llama", True),
        ("a*b*c", "a-b-c", True),
        ("ab*ba", "aba", False),
        ("a*b*b", "ab", False),
        ("a[b]*", "a[b]c", True),
        ("a?*", "abc", False),
        ("gpt-4", "gpt-4o", False),
        ("GPT-*", "gpt-4", False),
    ],
)
def test_a_star_stands_for_any_characters_and_nothing_else_does(pattern: str, model: str, fits: bool) -> None:
    assert fits_pattern(pattern, model) is fits


@given(pattern=st.text("ab*", max_size=8), model=st.text("ab", max_size=12))
def test_patterns_fit_what_the_standard_library_says_they_fit(pattern: str, model: str) -> None:
    expected = re.match(fnmatch.translate(pattern), model) is not None
    assert fits_pattern(pattern, model) is expected


@pytest.mark.parametrize(
    ("model", "wins"),
    [
        ("gpt-4", "gpt-4"),
        ("gpt-4o", "gpt-4*"),
        ("gpt-3", "gpt-*"),
        ("claude", "*"),
        ("x-mini", "*-mini"),
        ("gpt-4-mini", "gpt-4*"),
    ],
)
def test_an_exact_name_wins_then_the_longest_fixed_part_then_the_longest_beginning(model: str, wins: str) -> None:
    names = ["*", "gpt-*", "gpt-4", "gpt-4*", "*-mini"]
    assert match_route(names, model) == wins
    assert match_route(reversed(names), model) == wins


def test_no_name_that_fits_is_none() -> None:
    assert match_route(["gpt-*", "llama"], "mistral") is None


def test_an_alias_leads_on_until_a_route_with_targets() -> None:
    last = Named("llama")
    found, path = follow_alias(Named("a", "b"), finder(Named("b", "llama"), last))
    assert found is last
    assert path == ("a", "b", "llama")


def test_an_alias_of_nothing_and_a_circle_of_aliases_lead_nowhere() -> None:
    assert follow_alias(Named("a", "gone"), finder()) == (None, ("a", "gone"))
    a, b = Named("a", "b"), Named("b", "a")
    assert follow_alias(a, finder(a, b))[0] is None


def test_as_many_aliases_as_are_allowed_are_followed_and_one_more_is_not() -> None:
    chain = [Named(f"n{i}", f"n{i + 1}") for i in range(MOST_ALIASES + 1)]
    end = Named(f"n{MOST_ALIASES + 1}")
    assert follow_alias(chain[1], finder(*chain, end))[0] is end
    assert follow_alias(chain[0], finder(*chain, end))[0] is None


def test_a_tenants_own_route_goes_before_the_platforms_but_not_for_the_platforms_own_aliases() -> None:
    mine, theirs = Named("llama"), Named("llama", tenant_id="")
    find = finder(mine, theirs)
    assert find_named(find, "ten_a", "llama") is mine
    assert find_named(find, "ten_b", "llama") is theirs
    assert follow_alias(Named("chat", "llama", tenant_id=""), find)[0] is theirs


def test_requests_that_match_go_to_matching_targets_only_and_all_others_to_the_rest() -> None:
    beta = RouteTarget(deployment_id="beta", match=RouteMatch(header="x-beta", value="yes", key_ids=("k1",)))
    stable = RouteTarget(deployment_id="stable")
    assert targets_for([beta, stable], Sender(headers={"x-beta": "yes"}, key_id="k1")) == (beta,)
    assert targets_for([beta, stable], Sender(headers={"x-beta": "no"}, key_id="k1")) == (stable,)
    assert targets_for([beta, stable], Sender(headers={"x-beta": "yes"}, key_id="k2")) == (stable,)
    assert targets_for([beta, stable], Sender(headers={}, key_id="k1")) == (stable,)


def test_a_header_without_a_value_matches_whatever_it_says_and_users_match_by_name() -> None:
    header = RouteTarget(deployment_id="h", match=RouteMatch(header="x-beta"))
    user = RouteTarget(deployment_id="u", match=RouteMatch(user_ids=("ann",)))
    assert targets_for([header, user], Sender(headers={"x-beta": ""})) == (header,)
    assert targets_for([header, user], Sender(headers={}, user_id="ann")) == (user,)
    assert targets_for([header, user], Sender(headers={}, user_id="bob")) == ()


def test_shares_are_those_of_a_priority() -> None:
    targets = [
        RouteTarget(deployment_id=i, weight=w, priority=p) for i, w, p in [("a", 9, 0), ("b", 1, 0), ("c", 5, 1)]
    ]
    assert shares(targets) == (0.9, 0.1, 1.0)
    assert shares([RouteTarget(deployment_id="a", weight=0)]) == (0.0,)
