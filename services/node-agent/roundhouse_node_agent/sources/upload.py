"""Plans the files that somebody uploaded to the catalog."""

import re
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2
import msgspec

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.sources.patterns import ListedFile, select
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.sources.web import ask, host_of, passing, web_client
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile

__all__ = ["CatalogUpload"]

_PATH = re.compile(r".*/api/v1/uploads/[^/]+")


class _File(msgspec.Struct, frozen=True):
    path: str
    size: int
    sha256: str


class _Upload(msgspec.Struct, frozen=True):
    files: tuple[_File, ...]


class CatalogUpload:
    """`uri` is the upload's address with the secret to read it; without patterns it is fetched whole."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options

    def plan(self, source: ModelSource) -> FetchPlan:
        address = urlsplit(source.uri)
        if address.scheme not in ("http", "https") or not _PATH.fullmatch(address.path):
            raise SourceRefused("this is not the address of an upload; make the model from the upload again")
        with web_client(self._options) as client:
            found = ask(client, source.uri, _Upload, {})
        if isinstance(found, httpx2.Response):
            raise _refusal(found, source.uri)
        files = {file.path: file for file in found.files}
        if not files:
            raise SourceRefused("the upload has no files; upload them and make the model again")
        if source.patterns:
            listed = [ListedFile(file.path, file.size) for file in found.files]
            files = {file.path: files[file.path] for file in select(listed, source.patterns, what="the upload")}
        return FetchPlan(
            source=source,
            revision="",
            files=tuple(
                RemoteFile(path=path, size=file.size, urls=(_address(source.uri, path),), sha256=file.sha256.lower())
                for path, file in sorted(files.items())
            ),
            origin=f"the catalog at {host_of(source.uri)}",
        )


def _address(uri: str, path: str) -> str:
    address = urlsplit(uri)
    return urlunsplit(address._replace(path=f"{address.path}/files/{quote(path)}"))


def _refusal(answer: httpx2.Response, uri: str) -> SourceRefused:
    host, status = host_of(uri), answer.status_code
    match status:
        case 401 | 403 | 404 | 410:
            return SourceRefused(
                f"the catalog at {host} does not open this upload ({status}): it was deleted, or has another secret "
                "by now; upload the files again, or set the model's source to the upload again"
            )
        case 409:
            return SourceRefused(
                f"the upload at {host} is not complete yet; send the files that lack", is_retryable=True
            )
    return passing(host, status, answer.headers) or SourceRefused(f"the catalog at {host} answers {status}")
