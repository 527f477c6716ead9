"""What tests of uploads send."""

import hashlib
from typing import Any

import httpx

from tests.component.catalog.world import API, World, created

__all__ = ["GGUF", "SAFETENSORS", "announced", "begun", "sent", "uploaded"]

GGUF = b"GGUF" + bytes(range(256)) * 20
SAFETENSORS = (2).to_bytes(8, "little") + b"{}"


def announced(**files: bytes) -> dict[str, Any]:
    """Return the body that announces these files; `__` in a name stands for a dot."""
    return {
        "files": [
            {"path": name.replace("__", "."), "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        ]
    }


async def begun(world: World, **files: bytes) -> str:
    """Announce the files and return the upload's id."""
    upload_id: str = created(await world.post("/uploads", announced(**files)))["id"]
    return upload_id


async def sent(world: World, upload_id: str, path: str, content: bytes, content_range: str = "") -> httpx.Response:
    headers = {"content-range": content_range} if content_range else {}
    return await world.http.put(f"{API}/uploads/{upload_id}/files/{path}", content=content, headers=headers)


async def uploaded(world: World, **files: bytes) -> str:
    """Bring the files and return the upload's id."""
    upload_id = await begun(world, **files)
    for name, content in files.items():
        assert (await sent(world, upload_id, name.replace("__", "."), content)).status_code == 200
    return upload_id
