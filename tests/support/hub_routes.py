"""The addresses of the Hub server: the Hub's, ModelScope's, plain files, and the catalog's uploads."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp import web

from tests.support.hub_answers import ASKED, Responder, refused
from tests.support.hub_blobs import Blob, Repository

__all__ = ["Holdings", "routes"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LISTED_AT_ONCE = 3000
"""ModelScope's listing ends there without a word."""


class Holdings(Protocol):
    """What there is to serve."""

    repositories: dict[str, Repository]
    files: dict[str, Blob]
    uploads: dict[str, tuple[str, dict[str, Blob]]]
    tokens: set[str]

    @property
    def cdn_url(self) -> str: ...


def routes(held: Holdings, responder: Responder) -> Iterable[web.RouteDef]:
    """Return every address that is served."""
    hub, scope, plain = _Hub(held, responder), _Scope(held, responder), _Plain(held, responder)
    repo = "{owner}/{name}"
    by_path: dict[str, Handler] = {
        f"/api/models/{repo}": hub.info,
        f"/api/models/{repo}/revision/{{revision}}": hub.info,
        f"/api/models/{repo}/tree/{{revision}}": hub.tree,
        f"/{repo}/resolve/{{revision}}/{{path:.+}}": hub.resolve,
        "/cdn/{sha256}/{path:.+}": plain.cdn,
        f"/api/v1/models/{repo}/repo/files": scope.files,
        f"/api/v1/models/{repo}/revisions": scope.revisions,
        f"/api/v1/models/{repo}/repo": scope.file,
        "/files/{path:.+}": plain.file,
        "/api/v1/uploads/{upload}": plain.upload,
        "/api/v1/uploads/{upload}/files/{path:.+}": plain.upload_file,
    }
    return [web.get(path, handler) for path, handler in by_path.items()]  # HEAD too


class _Hub:
    """The Hugging Face Hub."""

    def __init__(self, held: Holdings, responder: Responder) -> None:
        self._held = held
        self._responder = responder

    async def info(self, request: web.Request) -> web.StreamResponse:
        found = self._found(request)
        if isinstance(found, web.Response):
            return found
        repository, commit = found
        siblings = [_sibling(blob, "blobs" in request.query) for blob in repository.commits[commit].values()]
        told = {"id": repository.name, "modelId": repository.name, "sha": commit, "siblings": siblings, "tags": []}
        access = {"private": repository.is_private, "gated": "manual" if repository.is_gated else False}
        return web.json_response(told | access)

    async def tree(self, request: web.Request) -> web.StreamResponse:
        found = self._found(request)
        if isinstance(found, web.Response):
            return found
        repository, commit = found
        entries = []
        for blob in repository.commits[commit].values():
            entry: dict[str, Any] = {"type": "file", "path": blob.path, "size": blob.size, "oid": blob.git_sha1}
            if blob.is_large:
                entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 135}
            entries.append(entry)
        return web.json_response(entries)

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        found = self._found(request)
        if isinstance(found, web.Response):
            return found
        repository, commit = found
        if repository.is_gated and _token(request) not in repository.members:
            message = f"Access to model {repository.name} is restricted."
            return refused(403 if _token(request) else 401, "GatedRepo", message)
        headers = {"X-Repo-Commit": commit}
        blob = repository.commits[commit].get(request.match_info["path"])
        if blob is None:
            answer = refused(404, "EntryNotFound", "Entry not found")
            answer.headers.update(headers)
            return answer
        if not blob.is_large:
            return await self._responder.file(request, blob, headers)
        headers |= {"X-Linked-Size": str(blob.size), "X-Linked-Etag": f'"{blob.sha256}"'}
        headers["Location"] = _on_cdn(self._held, blob)
        return web.Response(status=302, headers=headers)

    def _found(self, request: web.Request) -> tuple[Repository, str] | web.Response:
        token = _token(request)
        if token and token not in self._held.tokens:
            return refused(401, "", "Invalid credentials in Authorization header")
        repository = self._held.repositories.get(_name(request))
        if repository is None or (repository.is_private and token not in repository.members):
            if token:
                return refused(404, "RepoNotFound", "Repository not found")
            return refused(401, "", "Invalid username or password.")
        commit = repository.resolve(request.match_info.get("revision", "main"))
        return (repository, commit) if commit else refused(404, "RevisionNotFound", "Invalid rev id")


class _Scope:
    """ModelScope, as its own client (modelscope-hub 0.5.1) asks it and as it has been seen to answer."""

    def __init__(self, held: Holdings, responder: Responder) -> None:
        self._held = held
        self._responder = responder

    async def files(self, request: web.Request) -> web.StreamResponse:
        repository = self._found(request)
        if isinstance(repository, web.Response):
            return repository
        commit = repository.resolve(request.query.get("Revision", "master"))
        if commit is None:  # an unknown revision is no error there
            return _told({"Files": None, "IsVisual": 0, "LatestCommitter": None})
        root = request.query.get("Root", "").strip("/")
        inside = {path: blob for path, blob in repository.commits[commit].items() if _is_below(path, root)}
        entries = _entries(inside, commit, root, is_recursive=request.query.get("Recursive", "").lower() == "true")
        return _told({"Files": entries[:_LISTED_AT_ONCE], "LatestCommitter": {"Id": "", "ShortId": commit[:8]}})

    async def revisions(self, request: web.Request) -> web.StreamResponse:
        repository = self._found(request)
        if isinstance(repository, web.Response):
            return repository
        branches = [{"Revision": name, "CreatedAt": 0} for name in repository.branches]
        return _told({"RevisionMap": {"Branches": branches, "Tags": []}})

    async def file(self, request: web.Request) -> web.StreamResponse:
        repository = self._found(request)
        if isinstance(repository, web.Response):
            return repository
        commit = repository.resolve(request.query.get("Revision", "master"))
        blob = repository.commits[commit].get(request.query.get("FilePath", "")) if commit else None
        if blob is None:
            return _told({}, status=404, message="record not found")
        if blob.is_large:
            return web.Response(status=302, headers={"Location": _on_cdn(self._held, blob)})
        if request.method == "HEAD":
            return await self._responder.file(request, blob)
        body = blob.read(0, blob.size)  # small files come whole, whatever range was asked for
        request[ASKED].sent_bytes += len(body)
        return web.Response(body=body, headers={"ETag": blob.etag})

    def _found(self, request: web.Request) -> Repository | web.Response:
        token = _token(request)
        repository = self._held.repositories.get(_name(request))
        if token and token not in self._held.tokens:
            return _told({}, status=401, message="the access token is invalid or expired")
        if repository is None or (repository.is_private and token not in repository.members):
            return _told({}, status=404, message=f"model {_name(request)} is not found or not accessible")
        if repository.is_gated and token not in repository.members:
            return _told({}, status=403, message="apply for access first")
        return repository


class _Plain:
    """Files without a repository."""

    def __init__(self, held: Holdings, responder: Responder) -> None:
        self._held = held
        self._responder = responder

    async def cdn(self, request: web.Request) -> web.StreamResponse:
        if "Authorization" in request.headers:
            return web.Response(status=400, text="Only one auth mechanism allowed")  # as S3 says it to a second token
        for repository in self._held.repositories.values():
            for blobs in repository.commits.values():
                blob = blobs.get(request.match_info["path"])
                if blob is not None and blob.sha256 == request.match_info["sha256"]:
                    return await self._responder.file(request, blob)
        return web.Response(status=404)

    async def file(self, request: web.Request) -> web.StreamResponse:
        blob = self._held.files.get(request.match_info["path"])
        if blob is None:
            return web.Response(status=404, text="not found")
        wanted = request.query.get("as")
        return await self._responder.file(
            request, blob, {"Content-Disposition": f'attachment; filename="{wanted}"'} if wanted else None
        )

    async def upload(self, request: web.Request) -> web.StreamResponse:
        blobs = self._upload(request)
        if isinstance(blobs, web.Response):
            return blobs
        files = [{"path": path, "size": blob.size, "sha256": blob.sha256} for path, blob in blobs.items()]
        return web.json_response({"files": files})

    async def upload_file(self, request: web.Request) -> web.StreamResponse:
        blobs = self._upload(request)
        if isinstance(blobs, web.Response):
            return blobs
        blob = blobs.get(request.match_info["path"])
        return await self._responder.file(request, blob) if blob else web.Response(status=404)

    def _upload(self, request: web.Request) -> dict[str, Blob] | web.Response:
        token, blobs = self._held.uploads.get(request.match_info["upload"], ("", {}))
        is_open = token and request.query.get("token") == token
        return blobs if is_open else web.Response(status=401)  # as the catalog: unknown and closed look alike


def _name(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['name']}"


def _token(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _on_cdn(held: Holdings, blob: Blob) -> str:
    return f"{held.cdn_url}/cdn/{blob.sha256}/{quote(blob.path)}"


def _sibling(blob: Blob, is_detailed: bool) -> dict[str, Any]:
    if not is_detailed:
        return {"rfilename": blob.path}
    found: dict[str, Any] = {"rfilename": blob.path, "size": blob.size, "blobId": blob.git_sha1}
    if blob.is_large:
        found["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 135}
    return found


def _told(data: object, *, status: int = 200, message: str = "success") -> web.Response:
    code = status if status == 200 else 10010205001
    told = {"Code": code, "Data": data, "Message": message, "RequestId": "r", "Success": status == 200}
    return web.json_response(told, status=status)


def _is_below(path: str, root: str) -> bool:
    return not root or path.startswith(f"{root}/")


def _entries(blobs: Mapping[str, Blob], commit: str, root: str, *, is_recursive: bool) -> list[dict[str, Any]]:
    depth = len(root.split("/")) if root else 0
    trees = {"/".join(path.split("/")[:level]) for path in blobs for level in range(depth + 1, path.count("/") + 1)}
    files = [blob for path, blob in blobs.items() if is_recursive or path.count("/") == depth]
    trees = trees if is_recursive else {tree for tree in trees if tree.count("/") == depth}
    found = [{"Type": "tree", "Path": tree, "Name": tree.rsplit("/", 1)[-1], "Size": 0} for tree in sorted(trees)]
    for blob in files:
        told = {"Type": "blob", "Path": blob.path, "Name": blob.path.rsplit("/", 1)[-1], "Size": blob.size}
        found.append({**told, "Sha256": blob.sha256, "Revision": commit, "IsLFS": blob.is_large})
    return found
