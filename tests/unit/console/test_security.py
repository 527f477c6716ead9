"""Whose requests count as our own, and where one goes after signing in."""

import pytest

from roundhouse_console.domain.security import content_policy, is_own_origin, safe_next


@pytest.mark.parametrize(
    ("sent", "is_own"),
    [
        ({"origin": "https://console.example.org", "host": "console.example.org"}, True),
        ({"origin": "http://127.0.0.1:8806", "host": "127.0.0.1:8806"}, True),
        ({"origin": "https://console.example.org", "host": "10.0.0.7:8806"}, True),
        ({"origin": "https://evil.example", "host": "console.example.org"}, False),
        ({"origin": "https://console.example.org.evil.example", "host": "console.example.org"}, False),
        ({"origin": "null", "host": "console.example.org"}, False),
        ({"origin": "null", "host": "null"}, False),
        ({"origin": "https://", "host": ""}, False),
        ({"host": "console.example.org", "sec-fetch-site": "cross-site"}, False),
        ({"host": "console.example.org", "sec-fetch-site": "same-site"}, False),
        ({"host": "console.example.org", "sec-fetch-site": "same-origin"}, True),
        ({"host": "console.example.org"}, True),
    ],
)
def test_only_our_own_origin_may_write(sent: dict[str, str], is_own: bool) -> None:
    assert is_own_origin(sent, "https://console.example.org") is is_own


@pytest.mark.parametrize("path", ["/", "/deployments/dep_1?tab=logs", "/models?q=a%20b"])
def test_one_goes_on_to_paths_of_ours(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\r\nb", "x"]
)
def test_one_never_goes_elsewhere(path: str) -> None:
    assert safe_next(path) == "/"


def test_the_policy_lets_nothing_in_from_outside() -> None:
    rules = dict(rule.split(" ", 1) for rule in content_policy("n0nce").split("; "))
    assert rules["default-src"] == "'none'"
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "'nonce-n0nce'" in rules["script-src"]
    assert not [rule for rule in rules.values() if "http" in rule or "*" in rule]
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
