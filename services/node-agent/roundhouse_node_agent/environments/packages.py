"""Where packages come from on this node, and what installations run with."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import uv

from roundhouse_common.pip_config import uv_environment
from roundhouse_node_agent.environments.plan import Tools

__all__ = ["tools_of"]

_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME", "SSL_CERT_FILE")
_FOR_UV: Final = ("SSL_CERT_DIR", "SSL_CLIENT_CERT", "NETRC", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS")
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def tools_of(
    environment: Mapping[str, str],
    *,
    home: Path,
    index: str,
    extra_indexes: Sequence[str],
    find_links: Sequence[str],
    within_s: float,
) -> Tools:
    """Return what to install with: what is stated here, else what uv was told, else what pip was told on this host."""
    stated = {
        "UV_DEFAULT_INDEX": index,
        "UV_INDEX": " ".join(extra_indexes),
        "UV_FIND_LINKS": ",".join(find_links),
    }
    told = uv_environment({**environment, **{name: value for name, value in stated.items() if value}}, home)
    proxies = {name for proxy in _PROXIES for name in (proxy, proxy.lower())}
    wanted = {*_FOR_UV, *proxies}
    for_uv = {name: value for name, value in told.items() if name.startswith("UV_") or name in wanted}
    if told.get("SSL_CERT_FILE"):
        for_uv["SSL_CERT_FILE"] = told["SSL_CERT_FILE"]
    return Tools(
        uv=uv.find_uv_bin(),
        python=sys.executable,
        python_version=(sys.version_info.major, sys.version_info.minor),
        uv_environment=for_uv,
        environment={name: environment[name] for name in _KEPT if name in environment},
        has_own_torch=any(for_uv.get(name) for name in ("UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX")),
        within_s=within_s,
    )
