"""What uv, Docker and Podman say, as steps for a person, and the lines that say why it failed. Pure."""

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["advice_for", "decisive_lines", "step_of"]

_STEPS: Final = (
    (re.compile(r"^Resolved (\d+ packages?)"), "fetching {0}"),
    (re.compile(r"^\s*Downloading (\S+) \(([^)]+)\)"), "fetching {0} ({1})"),
    (re.compile(r"^\s*Building (\S+)"), "building {0}"),
    (re.compile(r"^Prepared (\d+ packages?)"), "installing {0}"),
    (re.compile(r"^Installed (\d+ packages?)"), "installed {0}"),
    (re.compile(r"^([0-9a-f]{12}): (Download|Pull) complete"), "fetched layer {0}"),
    (re.compile(r"^Copying blob (?:sha256:)?([0-9a-f]{12})"), "fetching layer {0}"),
)
_ERROR: Final = re.compile(r"^\s*(error|fatal|ERROR|Error|×|\w*(Error|Exception)\b)")
_MOST_LINES: Final = 20
_ADVICE: Final = (
    (
        r"container registry|manifest (for|unknown)|pull access denied|initializing source docker",
        "the registry has no such image, or this node cannot reach or enter it: check its name, the network, the login",
    ),
    (
        r"[Nn]o space left|os error 28|disk quota",
        "the disk is full: free room on the node",
    ),
    (
        r"Hash mismatch",
        "a file is not the one that was pinned: the package index serves another build, or a broken copy",
    ),
    (
        r"no version of|No solution found|not found in the (package registry|provided)",
        "the package index has no such version for this node's Python and machine: look for the versions it has",
    ),
    (
        r"client error|Failed to fetch|Request failed|dns error|timed out|Connection refused|certificate",
        "the package index does not answer: check the node's network, or name another one in the agent's settings",
    ),
    (r"401|403|Unauthorized|Forbidden", "the package index refuses this node: check the credentials in its address"),
    (r"No interpreter found|No Python", "this node has no Python that the engine can run on: install one"),
    (
        r"ImportError|ModuleNotFoundError|undefined symbol|cannot open shared object",
        "the engine's packages do not fit this node",
    ),
)


def step_of(line: str) -> str | None:
    """Return what is being done now as a line of uv's output tells it, or None."""
    for pattern, text in _STEPS:
        found = pattern.match(line)
        if found is not None:
            return text.format(*found.groups())
    return None


def decisive_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines from the last error on, or the last ones; long lists in the middle are cut."""
    spoken = [line.rstrip() for line in lines if line.strip()]
    starts = [number for number, line in enumerate(spoken) if _ERROR.match(line)]
    if not starts:
        return tuple(spoken[-_MOST_LINES:])
    traceback = [number for number, line in enumerate(spoken) if line.startswith("Traceback")]
    first = starts[-1] if traceback else starts[0]
    chosen = spoken[first:]
    if len(chosen) <= _MOST_LINES:
        return tuple(chosen)
    half = _MOST_LINES // 2
    return (*chosen[:half], f"[roundhouse] {len(chosen) - 2 * half} lines are left out here", *chosen[-half:])


def advice_for(lines: Sequence[str]) -> str:
    """Return what a person can do about an installation that failed with these lines; empty when nobody knows."""
    text = "\n".join(lines)
    for pattern, advice in _ADVICE:
        if re.search(pattern, text):
            return advice
    return ""
