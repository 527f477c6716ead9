"""Make .venv fit requirements/: `scripts/_env [--dev] [--compile]`. Only the standard library; it runs first of all.

Repeating is cheap: a stamp in .venv holds a hash of everything the environment is made from. Two at once wait for
each other. Every failure a person can do something about is one line on stderr and exit code 1.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whatever `python3` is runs this file; the caller tries another
    sys.exit(75)

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "roundhouse-stamp"
MEMBERS = (
    "libs/common",
    "services/catalog",
    "services/scheduler",
    "services/node-agent",
    "services/router",
    "services/metering",
    "services/console",
    "cli",
)


def fingerprint() -> str:
    """Return a hash of all that decides what must be installed."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {sys.platform} {os.uname().machine} {ROOT}".encode())
    for name in ("bootstrap", "runtime", "dev", "demo", "compile"):
        digest.update((ROOT / "requirements" / f"{name}.txt").read_bytes())
    for member in MEMBERS:
        digest.update((ROOT / member / "pyproject.toml").read_bytes())
    return digest.hexdigest()


def installed(wanted: str) -> set[str]:
    """Return which sets ("runtime", "dev", "compile") are installed as of `wanted`."""
    try:
        found, *sets = STAMP.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return set()
    return set(sets) if found == wanted and PYTHON.exists() else set()


def main() -> int:
    """Return 0 when the environment is ready."""
    sets = {"runtime", *(name for name in ("dev", "compile") if f"--{name}" in sys.argv[1:])}
    wanted = fingerprint()
    if sets <= installed(wanted):
        return 0
    # Imported only when there is something to do: the warm path must stay in the tens of milliseconds.
    sys.path[:0] = [str(ROOT), str(ROOT / "libs" / "common")]
    from scripts._install import InstallError, exclusively, install  # noqa: PLC0415

    try:
        with exclusively():
            missing = sets - installed(wanted)
            if missing:
                install(missing, sets | installed(wanted), wanted)
    except InstallError as error:
        print(f"roundhouse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("roundhouse: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
