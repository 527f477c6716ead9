"""Where nodes reach the catalog when nobody says so, and what may be said."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from roundhouse_catalog.main import own_url
from roundhouse_catalog.settings import CatalogSettings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8801"),
        ("0.0.0.0", "http://127.0.0.1:8801"),
        ("10.0.0.5", "http://10.0.0.5:8801"),
        ("::", "http://[::1]:8801"),
        ("2001:db8::1", "http://[2001:db8::1]:8801"),
        ("catalog.example", "http://catalog.example:8801"),
    ],
)
def test_the_own_address_is_one_that_programs_here_reach(host: str, url: str) -> None:
    assert own_url(host, 8801) == url


def test_a_public_address_is_kept_without_its_last_slash(tmp_path: Path) -> None:
    settings = CatalogSettings(state_dir=tmp_path, public_url="https://catalog.example/roundhouse/")
    assert settings.public_url == "https://catalog.example/roundhouse"


@pytest.mark.parametrize("url", ["catalog.example", "ftp://catalog.example", "http://", "http://h/?a=b", "http://h/#a"])
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError, match="state an address like"):
        CatalogSettings(state_dir=tmp_path, public_url=url)
