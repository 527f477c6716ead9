"""uv is asked what pip would have been asked."""

from pathlib import Path

import pytest

from roundhouse_common.pip_config import pip_settings, uv_environment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def isolated(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which only files below `home` count."""
    return {"XDG_CONFIG_DIRS": str(home / "none"), "PIP_CONFIG_FILE": str(home / "named.conf"), **more}


def test_variables_win_over_files_and_install_over_global(home: Path) -> None:
    (home / "named.conf").write_text("[global]\nindex_url = http://a\ncert = /g\n[install]\nindex-url = http://b\n")
    assert pip_settings(isolated(home), home)["index-url"] == "http://b"
    assert pip_settings(isolated(home, PIP_INDEX_URL="http://c"), home)["index-url"] == "http://c"
    assert pip_settings(isolated(home), home)["cert"] == "/g"


def test_indexes_and_locations_are_translated(home: Path) -> None:
    (home / "named.conf").write_text(
        "[global]\nindex-url = http://a/simple\nextra-index-url =\n  http://b\n  file:///c\nfind-links = /wheels rel\n"
    )
    found = uv_environment(isolated(home), home)
    assert found["UV_DEFAULT_INDEX"] == "http://a/simple"
    assert found["UV_INDEX"] == "http://b file:///c"
    assert found["UV_FIND_LINKS"] == f"/wheels,{Path('rel').absolute()}"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_certificates_timeouts_and_proxies_are_translated(home: Path) -> None:
    found = uv_environment(
        isolated(home, PIP_CERT="/ca.pem", PIP_DEFAULT_TIMEOUT="180", PIP_PROXY="http://p", PIP_TRUSTED_HOST="h"), home
    )
    assert (found["SSL_CERT_FILE"], found["UV_HTTP_TIMEOUT"]) == ("/ca.pem", "180")
    assert (found["ALL_PROXY"], found["UV_INSECURE_HOST"]) == ("http://p", "h")


def test_what_is_said_to_uv_directly_is_kept(home: Path) -> None:
    found = uv_environment(isolated(home, PIP_INDEX_URL="http://pip", UV_DEFAULT_INDEX="http://uv"), home)
    assert found["UV_DEFAULT_INDEX"] == "http://uv"


def test_a_broken_configuration_file_counts_as_empty(home: Path) -> None:
    (home / "named.conf").write_text("no section\n")
    assert pip_settings(isolated(home, PIP_INDEX_URL="http://c"), home)["index-url"] == "http://c"
