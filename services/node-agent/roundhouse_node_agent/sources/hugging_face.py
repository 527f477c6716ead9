"""Plans from the Hugging Face Hub and its mirrors, by the Hub's own client."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi, constants, get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented, but not re-exported

from roundhouse_common.contracts.catalog import ModelSource
from roundhouse_node_agent.sources.patterns import ListedFile, select
from roundhouse_node_agent.sources.secrets import read_token
from roundhouse_node_agent.sources.source import SourceOptions, SourceRefused
from roundhouse_node_agent.sources.web import host_of, joined, passing, reached
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile

__all__ = ["HuggingFace"]

_URI = re.compile(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKEN_SETTING = "ROUNDHOUSE_NODE_AGENT_HUGGING_FACE_TOKEN_FILE"


class HuggingFace:
    """`uri` is `owner/name`. Endpoints are asked in order; the first that has the repository gives the plan."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self._endpoints = tuple(url.rstrip("/") for url in options.hugging_face_endpoints) or (constants.ENDPOINT,)

    def plan(self, source: ModelSource) -> FetchPlan:
        if not _URI.fullmatch(source.uri):
            raise SourceRefused(f"{source.uri!r} is no repository; write owner/name as the Hub shows it")
        token = read_token(self._options.hugging_face_token_file) or get_token() or ""
        refusals: list[SourceRefused] = []
        for endpoint in self._endpoints:
            try:
                info = self._ask(endpoint, source, token)
            except SourceRefused as refused:
                refusals.append(refused)
                continue
            others = [other for other in self._endpoints if other != endpoint]
            return self._plan(source, info, (endpoint, *others), token)
        raise joined(refusals)

    def _ask(self, endpoint: str, source: ModelSource, token: str) -> ModelInfo:
        api = HfApi(endpoint=endpoint, token=token or False, library_name="roundhouse")
        with self._explained(endpoint, source, token):
            return api.model_info(
                source.uri,
                revision=source.revision or None,
                files_metadata=True,
                timeout=self._options.answer_timeout_s,
            )

    def _plan(self, source: ModelSource, info: ModelInfo, endpoints: tuple[str, ...], token: str) -> FetchPlan:
        commit = str(info.sha)
        if not _COMMIT.fullmatch(commit):
            raise SourceRefused(
                f"{host_of(endpoints[0])} names no commit of {source.uri}; check that it is a model hub"
            )
        siblings = {file.rfilename: file for file in info.siblings or ()}
        listed = [ListedFile(path, _size(file)) for path, file in siblings.items()]
        chosen = select(listed, source.patterns, what=source.uri)
        headers = build_hf_headers(token=token or False, library_name="roundhouse")
        if info.gated and chosen:
            self._check_access(endpoints[0], source, commit, chosen[0].path, token)
        files = tuple(
            RemoteFile(
                path=file.path,
                size=file.size,
                urls=tuple(_url(endpoint, source.uri, commit, file.path) for endpoint in endpoints),
                headers=headers,
                sha256=_sha256(siblings[file.path]),
                git_sha1="" if _sha256(siblings[file.path]) else siblings[file.path].blob_id or "",
            )
            for file in chosen
        )
        return FetchPlan(source=source, revision=commit, files=files, origin=host_of(endpoints[0]))

    def _check_access(self, endpoint: str, source: ModelSource, commit: str, path: str, token: str) -> None:
        """Anybody may list the files of a gated repository; only asking for one tells whether it may be read."""
        with self._explained(endpoint, source, token):
            get_hf_file_metadata(
                _url(endpoint, source.uri, commit, path),
                token=token or False,
                timeout=self._options.answer_timeout_s,
                library_name="roundhouse",
            )

    @contextmanager
    def _explained(self, endpoint: str, source: ModelSource, token: str) -> Iterator[None]:
        """Tell the Hub's refusals apart, each with what to do."""
        try:
            with reached(endpoint):
                yield
        except OfflineModeIsEnabled as error:
            raise SourceRefused(
                "HF_HUB_OFFLINE is set for this node's agent, so the Hub is not asked; unset it, "
                "or bring the files by import, upload or from another node"
            ) from error
        except HfHubHTTPError as error:
            raise self._refusal(error, endpoint, source, token) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # what the client makes of another document
            raise SourceRefused(
                f"{host_of(endpoint)} does not answer as a hub does; check the address in this node's settings"
            ) from error
        except OSError as error:
            raise SourceRefused(
                f"this node's proxy or certificate settings (SSL_CERT_FILE) are wrong: {error}"
            ) from error

    def _refusal(self, error: HfHubHTTPError, endpoint: str, source: ModelSource, token: str) -> SourceRefused:
        host, status = host_of(endpoint), error.response.status_code
        page = f"{endpoint}/{source.uri}"
        file = self._options.hugging_face_token_file
        held = f"the token in {file}" if file else "this node's token"
        match error:
            case GatedRepoError() if token:
                return SourceRefused(
                    f"{source.uri} is gated and the account of {held} has no access; ask for it at {page}"
                )
            case GatedRepoError():
                return SourceRefused(
                    f"{source.uri} is gated: accept its conditions at {page}, put a token of that account into a file "
                    f"on the node, and name the file in {_TOKEN_SETTING}"
                )
            case DisabledRepoError():
                return SourceRefused(f"{host} has disabled {source.uri}; choose another model or a copy of it")
            case RevisionNotFoundError():
                return SourceRefused(
                    f"{source.uri} has no revision {source.revision} at {host}; write a branch, tag or commit it has"
                )
            case RepositoryNotFoundError() if token:
                return SourceRefused(f"{host} has no model {source.uri} that {held} may read; check the name")
        if status == 401 and "Invalid credentials" in _told(error):
            return SourceRefused(f"{host} does not take {held}: it is wrong or has expired; put a valid one there")
        if status in (401, 404):
            return SourceRefused(
                f"{host} has no model {source.uri} that everybody may read; check the name, and if it is private "
                f"name a file with a token in {_TOKEN_SETTING}"
            )
        if status == 403:
            return SourceRefused(f"{host} forbids {source.uri} to {held if token else 'strangers'}: {_told(error)}")
        return passing(host, status, error.response.headers) or SourceRefused(
            f"{host} refuses {source.uri} ({status}): {_told(error)}"
        )


def _url(endpoint: str, uri: str, commit: str, path: str) -> str:
    return hf_hub_url(uri, path, revision=commit, endpoint=endpoint)


def _size(file: RepoSibling) -> int:
    size = file.lfs.size if file.lfs else file.size
    return -1 if size is None else size


def _sha256(file: RepoSibling) -> str:
    return file.lfs.sha256 if file.lfs else ""


def _told(error: HfHubHTTPError) -> str:
    return (error.server_message or str(error)).strip().splitlines()[-1][:300]
