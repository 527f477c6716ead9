"""What a source says about the files of a model: which, how large, where, and how to tell that they are right."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from roundhouse_common.contracts.catalog import ModelSource

__all__ = ["FetchPlan", "RemoteFile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file. The strongest digest that is given is checked; without any, its length is all that can be."""

    path: str
    """Within the model, with `/` between its parts. Untrusted."""
    size: int
    """-1: not known before it is asked for."""
    urls: tuple[str, ...]
    """Where it can be had, best first; the next one is asked when one fails."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request to the host of `urls`; credentials do not follow a redirect to another host."""
    sha256: str = ""
    git_sha1: str = ""
    """Of the git blob: all that a hub tells about small files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """All files of one source at one revision."""

    source: ModelSource
    revision: str
    """The commit that was found; empty where there are none."""
    files: tuple[RemoteFile, ...]
    origin: str
    """Where it comes from, in words, e.g. a host name."""
