"""Plans one file, or a GGUF file in parts, from an address."""

import re
from email.message import Message
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx2

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.sources.gguf_sets import part_names
from roundhouse_node_agent.sources.secrets import token_for, tokens_by_address
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.sources.web import host_of, passing, reached, shown, web_client
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile

__all__ = ["HttpFile"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEAD_NOT_TAKEN = frozenset({400, 403, 404, 405, 501})
"""Some servers refuse HEAD, and an address that was signed for GET is valid for nothing else."""
_RANGE = re.compile(r"bytes \d+-\d+/(?P<whole>\d+)")
_UNSAFE = re.compile(r"[\x00-\x1f/\\]")


class HttpFile:
    """`uri` is the address of one file. Of a file in parts, the address of any part stands for all."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options

    def plan(self, source: ModelSource) -> FetchPlan:
        address = urlsplit(source.uri)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SourceRefused(f"{shown(source.uri)} is no http or https address")
        sha256 = source.sha256.lower()
        if sha256 and not _SHA256.fullmatch(sha256):
            raise SourceRefused(f"the sha256 of {shown(source.uri)} must be 64 hex digits, not {source.sha256!r}")
        tokens = tokens_by_address(self._options.http_tokens_file)
        with web_client(self._options) as client:
            files = [self._file(client, url, token_for(tokens, url)) for url in _parts(source.uri)]
        if len(files) == 1 and sha256:
            files = [RemoteFile(path=f.path, size=f.size, urls=f.urls, headers=f.headers, sha256=sha256) for f in files]
        return FetchPlan(source=source, revision="", files=tuple(files), origin=host_of(source.uri))

    def _file(self, client: httpx2.Client, url: str, token: str) -> RemoteFile:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        asked = {**headers, "Accept-Encoding": "identity"}
        with reached(url):
            answer = client.head(url, headers=asked)
            if answer.status_code in _HEAD_NOT_TAKEN:
                with client.stream("GET", url, headers={**asked, "Range": "bytes=0-0"}) as answer:
                    pass
        if answer.status_code not in (200, 206):
            raise self._refusal(answer, url, token)
        name = _name(answer, url)
        if "text/html" in answer.headers.get("content-type", "") and not name.endswith((".html", ".htm")):
            raise SourceRefused(
                f"{shown(url)} is a web page, not a file; give the address that the download button has"
            )
        return RemoteFile(path=name, size=_size(answer), urls=(url,), headers=headers)

    def _refusal(self, answer: httpx2.Response, url: str, token: str) -> SourceRefused:
        host, status = host_of(url), answer.status_code
        match status:
            case 401 | 403 if token:
                file = self._options.http_tokens_file
                return SourceRefused(f"{host} does not take the token that {file} has for {shown(url)} ({status})")
            case 401 | 403:
                return SourceRefused(
                    f"{host} does not let this node read {shown(url)} ({status}); if it needs a token, put it into the "
                    "file that ROUNDHOUSE_NODE_AGENT_HTTP_TOKENS_FILE names; a signed address may have expired"
                )
            case 404 | 410:
                return SourceRefused(f"{host} has no file at {shown(url)} ({status}); check the address")
        return passing(host, status, answer.headers) or SourceRefused(f"{host} refuses {shown(url)} ({status})")


def _parts(url: str) -> list[str]:
    """Return the addresses of all parts when the address is that of one."""
    address = urlsplit(url)
    folder, _, name = address.path.rpartition("/")
    names = part_names(name) or (name,)
    return [urlunsplit(address._replace(path=f"{folder}/{part}")) for part in names]


def _size(answer: httpx2.Response) -> int:
    if answer.status_code == 206:
        matched = _RANGE.fullmatch(answer.headers.get("content-range", ""))
        return int(matched["whole"]) if matched else -1
    told = answer.headers.get("content-length", "")
    return int(told) if told.isdigit() and "content-encoding" not in answer.headers else -1


def _name(answer: httpx2.Response, url: str) -> str:
    """Return the file's name: what the server says, else the end of the address asked, else of the one it led to."""
    told = Message()
    told["content-disposition"] = answer.headers.get("content-disposition", "")
    candidates = [told.get_filename() or "", *(unquote(urlsplit(at).path) for at in (url, str(answer.url)))]
    for candidate in candidates:
        name = _UNSAFE.sub("", candidate.replace("\\", "/").rpartition("/")[2]).strip()
        if name.strip("."):
            return name[-200:]
    raise SourceRefused(f"{shown(url)} has no file name; give an address that ends with one")
