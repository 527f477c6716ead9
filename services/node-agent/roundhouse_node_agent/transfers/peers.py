"""Other nodes that have the files whole: asked before the source, believed no more than it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import Peer
from roundhouse_common.model_sources import source_key
from roundhouse_node_agent.transfers.layout import is_digest
from roundhouse_node_agent.transfers.manifest import Manifest
from roundhouse_node_agent.transfers.plan import FetchPlan, RemoteFile
from roundhouse_node_agent.transfers.refusals import Refusal, Setback
from roundhouse_node_agent.transfers.web import Place, Web

__all__ = ["PeerPlan", "ask_peers"]

_ANSWER_TIMEOUT_S: Final = 10.0
_MOST_MANIFEST_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPlan:
    """What peers have, and which of them."""

    plan: FetchPlan
    peers: tuple[Peer, ...]

    def places(self, file: RemoteFile) -> list[Place]:
        """Return where a file can be had."""
        return [_place(peer, f"blobs/{file.sha256}") for peer in self.peers]


async def ask_peers(web: Web, source: ModelSource, peers: Sequence[Peer]) -> PeerPlan | None:
    """Return what the first peer has that answers well, and who else has just that; None when nobody does."""
    answers = await asyncio.gather(*(_manifest(web, source, peer) for peer in peers))
    told = [(peer, manifest) for peer, manifest in zip(peers, answers, strict=True) if manifest is not None]
    if not told:
        return None
    wanted = told[0][1]
    same = tuple(peer for peer, manifest in told if _blobs(manifest) == _blobs(wanted))
    files = tuple(RemoteFile(path=file.path, size=file.size, urls=(), sha256=file.sha256) for file in wanted.files)
    names = ", ".join(_name(peer) for peer in same)
    return PeerPlan(plan=FetchPlan(source=source, revision=wanted.revision, files=files, origin=names), peers=same)


async def _manifest(web: Web, source: ModelSource, peer: Peer) -> Manifest | None:
    place = _place(peer, f"models/{source_key(source)}")
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S), web.get(place, {}) as answer:
            if answer.status != 200:
                return None
            content = b""
            async for piece in answer.content.iter_any():
                content += piece
                if len(content) > _MOST_MANIFEST_BYTES:
                    return None
        manifest = msgspec.json.decode(content, type=Manifest)
    except (Refusal, Setback, TimeoutError, msgspec.DecodeError):
        return None
    return manifest if _is_usable(manifest, source) else None


def _is_usable(manifest: Manifest, source: ModelSource) -> bool:
    """Whether it can be fetched by its digests, and does not contradict what is wanted."""
    is_whole = bool(manifest.files) and all(is_digest(file.sha256) and file.size >= 0 for file in manifest.files)
    is_wanted = not source.sha256 or {file.sha256 for file in manifest.files} == {source.sha256}
    return is_whole and is_wanted and not manifest.adopted_path


def _blobs(manifest: Manifest) -> set[tuple[str, str]]:
    return {(file.path, file.sha256) for file in manifest.files}


def _place(peer: Peer, path: str) -> Place:
    return Place(
        url=f"{peer.url}/{path}",
        headers={"Authorization": f"Bearer {peer.token}"},
        kind=SourceKind.UNKNOWN,
        name=_name(peer),
        is_direct=True,
    )


def _name(peer: Peer) -> str:
    return f"node {peer.node_id}"
