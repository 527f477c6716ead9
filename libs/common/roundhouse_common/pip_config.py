"""What pip was configured with, said in uv's environment variables: uv does not read pip's configuration.

Only the standard library, since the first installation of all needs it too, and only what pip documents: configuration
files from the least to the most specific, then PIP_* variables. A variable of uv that is already set wins.
"""

import configparser
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["pip_settings", "uv_environment"]


def _config_files(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Return pip's configuration files, the least specific first."""
    config_home = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    shared = [
        Path(folder) / "pip" / "pip.conf"
        for folder in (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    ]
    files = [*shared, Path("/etc/pip.conf")]
    if sys.platform == "darwin":
        files += [Path("/Library/Application Support/pip/pip.conf"), home / "Library/Application Support/pip/pip.conf"]
    files += [home / ".pip" / "pip.conf", config_home / "pip" / "pip.conf", Path(sys.base_prefix) / "pip.conf"]
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    return [*files, Path(named)] if named else files


def pip_settings(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return pip's options for `install` by their long names; unreadable files count as empty."""
    settings: dict[str, str] = {}
    for path in _config_files(environment, home):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name[4:].lower().replace("_", "-")] = value
    return settings


def _path_words(value: str) -> str:
    """Join several locations by commas; a plain path becomes absolute, since uv may run elsewhere."""
    return ",".join(word if "://" in word else str(Path(word).expanduser().absolute()) for word in value.split())


def _yes(value: str) -> str:
    return "1" if value.lower() in {"1", "true", "yes", "on"} else ""


_TRANSLATIONS: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("index-url", "UV_DEFAULT_INDEX", str.strip),
    ("extra-index-url", "UV_INDEX", lambda value: " ".join(value.split())),
    ("find-links", "UV_FIND_LINKS", _path_words),
    ("no-index", "UV_NO_INDEX", _yes),
    ("cert", "SSL_CERT_FILE", str.strip),
    ("client-cert", "SSL_CLIENT_CERT", str.strip),
    ("trusted-host", "UV_INSECURE_HOST", lambda value: " ".join(value.split())),
    ("proxy", "ALL_PROXY", str.strip),
    ("timeout", "UV_HTTP_TIMEOUT", lambda value: str(int(float(value)))),
    ("default-timeout", "UV_HTTP_TIMEOUT", lambda value: str(int(float(value)))),
)


def uv_environment(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return `environment` with uv's variables added, so that uv asks the same indexes as pip would.

    All indexes count equally, as they do for pip.
    """
    settings = pip_settings(environment, home)
    result = dict(environment)
    for option, variable, translate in _TRANSLATIONS:
        if settings.get(option) and not result.get(variable):
            result[variable] = translate(settings[option])
    result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return {name: value for name, value in result.items() if value}
