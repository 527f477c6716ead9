"""Plans from ModelScope's public HTTP API, as its own client (modelscope-hub 0.5) uses it.

Seen in its answers: an unknown revision gives 200 and no files; a listing ends after 3000 entries without a word; the
newest commit is told by its first eight digits, and whole only as the last change of some file.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.sources.patterns import ListedFile, select
from roundhouse_node_agent.sources.secrets import read_token
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.sources.web import ask, host_of, joined, passing, web_client
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile

__all__ = ["ModelScope"]

_DEFAULT = "https://modelscope.cn"
_BRANCH = "master"
_URI = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LISTED_AT_ONCE = 3000
_MOST_LISTINGS = 200
_MOST_SHOWN = 10
_TOKEN_SETTING = "ROUNDHOUSE_NODE_AGENT_MODEL_SCOPE_TOKEN_FILE"


class _Entry(msgspec.Struct, frozen=True, rename="pascal"):
    path: str = ""
    type: str = "blob"
    size: int = -1
    sha256: str | None = ""
    revision: str | None = ""
    """The last commit that changed it."""


class _Committer(msgspec.Struct, frozen=True, rename="pascal"):
    id: str | None = ""
    short_id: str | None = ""


class _Listing(msgspec.Struct, frozen=True, rename="pascal"):
    files: tuple[_Entry, ...] | None = None
    latest_committer: _Committer | None = None


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    data: _Listing | None = None


class _Branch(msgspec.Struct, frozen=True, rename="pascal"):
    revision: str = ""


class _RevisionMap(msgspec.Struct, frozen=True, rename="pascal"):
    branches: tuple[_Branch, ...] | None = None
    tags: tuple[_Branch, ...] | None = None


class _Revisions(msgspec.Struct, frozen=True, rename="pascal"):
    revision_map: _RevisionMap | None = None


class _RevisionsAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    data: _Revisions | None = None


class ModelScope:
    """`uri` is `owner/name`. Endpoints are asked in order; the first that has the repository gives the plan."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self._endpoints = tuple(url.rstrip("/") for url in options.model_scope_endpoints) or (_DEFAULT,)

    def plan(self, source: ModelSource) -> FetchPlan:
        if not _URI.fullmatch(source.uri):
            raise SourceRefused(f"{source.uri!r} is no repository; write owner/name as ModelScope shows it")
        headers = _headers(read_token(self._options.model_scope_token_file))
        refusals: list[SourceRefused] = []
        with web_client(self._options) as client:
            for endpoint in self._endpoints:
                hub = _Hub(client, endpoint, source, headers, self._options.model_scope_token_file)
                try:
                    listing = hub.everything()
                except SourceRefused as refused:
                    refusals.append(refused)
                    continue
                others = [other for other in self._endpoints if other != endpoint]
                return _plan(source, listing, (endpoint, *others), headers)
        raise joined(refusals)


class _Hub:
    """One endpoint, asked for one repository."""

    def __init__(
        self, client: httpx2.Client, endpoint: str, source: ModelSource, headers: Mapping[str, str], token_file: str
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._source = source
        self._headers = headers
        self._token_file = token_file
        self._listings = 0

    def everything(self) -> _Listing:
        """Return everything in the repository, however large."""
        whole = self._list("", is_recursive=True)
        if whole.files is None:
            raise self._no_revision()
        if len(whole.files) < _LISTED_AT_ONCE:
            return whole
        return msgspec.structs.replace(whole, files=tuple(self._walk("")))

    def _walk(self, root: str) -> list[_Entry]:
        found: list[_Entry] = []
        for entry in self._list(root, is_recursive=False).files or ():
            if entry.type != "tree":
                found.append(entry)
                continue
            inside = self._list(entry.path, is_recursive=True).files or ()
            found += inside if len(inside) < _LISTED_AT_ONCE else self._walk(entry.path)
        return found

    def _list(self, root: str, *, is_recursive: bool) -> _Listing:
        self._listings += 1
        if self._listings > _MOST_LISTINGS:
            raise SourceRefused(
                f"{self._source.uri} has more folders than are listed; name its files by another source"
            )
        query = {"Revision": self._source.revision or _BRANCH, "Recursive": str(is_recursive)}
        found = self._ask(f"repo/files?{urlencode(query | ({'Root': root} if root else {}))}", _Answer)
        return found.data or _Listing()

    def _no_revision(self) -> SourceRefused:
        asked = self._source.revision or _BRANCH
        told = self._ask("revisions", _RevisionsAnswer).data or _Revisions()
        known = told.revision_map or _RevisionMap()
        names = [one.revision for one in (*(known.branches or ()), *(known.tags or ()))]
        has = f"it has {', '.join(names[:_MOST_SHOWN])}" if names else "it has none"
        return SourceRefused(f"{self._source.uri} has no revision {asked} at {host_of(self._endpoint)}; {has}")

    def _ask(self, path: str, kind: type[Any]) -> Any:  # Any: a document of that kind
        found = ask(self._client, f"{self._endpoint}/api/v1/models/{self._source.uri}/{path}", kind, self._headers)
        if isinstance(found, httpx2.Response):
            raise self._refusal(found)
        return found

    def _refusal(self, answer: httpx2.Response) -> SourceRefused:
        host, uri, file = host_of(self._endpoint), self._source.uri, self._token_file
        match answer.status_code:
            case 401:
                return SourceRefused(f"{host} does not take the token in {file}: it is wrong or has expired")
            case 403:
                return SourceRefused(
                    f"{host} does not let this node read {uri}: ask for access at {self._endpoint}/models/{uri} with "
                    f"the account whose token is in the file that {_TOKEN_SETTING} names"
                )
            case 404 if file:
                return SourceRefused(f"{host} has no model {uri} that the token in {file} may read; check the name")
            case 404:
                return SourceRefused(
                    f"{host} has no model {uri} that everybody may read; check the name, and if it is private name a "
                    f"file with a token in {_TOKEN_SETTING}"
                )
        return passing(host, answer.status_code, answer.headers) or SourceRefused(
            f"{host} refuses {uri} ({answer.status_code})"
        )


def _plan(source: ModelSource, listing: _Listing, endpoints: tuple[str, ...], headers: Mapping[str, str]) -> FetchPlan:
    entries = {entry.path: entry for entry in listing.files or () if entry.type != "tree" and entry.path}
    commit = _commit(listing)
    chosen = select([ListedFile(path, entry.size) for path, entry in entries.items()], source.patterns, what=source.uri)
    files = []
    for file in chosen:
        entry = entries[file.path]
        revision = commit or entry.revision or source.revision or _BRANCH
        query = urlencode({"Revision": revision, "FilePath": file.path})
        files.append(
            RemoteFile(
                path=file.path,
                size=file.size,
                urls=tuple(f"{endpoint}/api/v1/models/{source.uri}/repo?{query}" for endpoint in endpoints),
                headers=headers,
                sha256=found if _SHA256.fullmatch(found := (entry.sha256 or "").lower()) else "",
            )
        )
    return FetchPlan(
        source=source,
        revision=commit or source.revision or _BRANCH,
        files=tuple(files),
        origin=host_of(endpoints[0]),
    )


def _commit(listing: _Listing) -> str:
    """Return the newest commit, whole; empty when no file was last changed by it."""
    newest = listing.latest_committer or _Committer()
    if newest.id:
        return newest.id
    revisions = (entry.revision or "" for entry in listing.files or ())
    return next((one for one in revisions if newest.short_id and one.startswith(newest.short_id)), "")


def _headers(token: str) -> dict[str, str]:
    """Older parts of the service know the cookie only, newer ones the header: the client sends both."""
    return {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}
