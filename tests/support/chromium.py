"""A Chromium for tests: the machine's own, else one that Debian's packages or Playwright bring."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["ARGUMENTS", "chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_S = 600
ARGUMENTS = (
    "--no-sandbox",  # root cannot have one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """Return the path of a Chromium, installing one where none is. Fails the test when there can be none."""
    if named := os.environ.get("ROUNDHOUSE_TEST_CHROMIUM"):
        return named
    if found := _found():
        return found
    tried = []
    for command in _installers():
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        if done.returncode == 0 and (found := _found()):
            return found
        tried.append(f"{' '.join(command)}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    pytest.fail(
        "There is no Chromium, and none could be installed; install one and name it in ROUNDHOUSE_TEST_CHROMIUM. "
        "Tried: " + "; ".join(tried)
    )


def _found() -> str | None:
    on_path = next((path for name in _NAMES if (path := shutil.which(name))), None)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    downloaded = sorted(cache.glob("chromium-*/chrome-linux*/chrome"))
    return on_path or (str(downloaded[-1]) if downloaded else None)


def _installers() -> list[list[str]]:
    """Return the commands that may bring one, the quickest to say no first."""
    commands = []
    if shutil.which("apt-get") and os.geteuid() == 0:
        install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk"
        commands.append(["sh", "-c", f"DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; {install}"])
    commands.append([sys.executable, "-m", "playwright", "install", "chromium"])
    return commands
