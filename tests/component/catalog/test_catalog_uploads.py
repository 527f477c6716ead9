"""`/uploads`: files come in pieces, are verified, and nodes fetch them with the upload's own secret."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundhouse_catalog.loops.sweep import drop_expired_uploads
from roundhouse_catalog.store import uploads as store
from roundhouse_common.auth import Role
from roundhouse_common.database import Database
from tests.component.catalog.people import add_tenant
from tests.component.catalog.uploading import GGUF, SAFETENSORS, announced, begun, sent, uploaded
from tests.component.catalog.world import API, World, a_world
from tests.support.databases import Migrate


async def token_of(db: Database, upload_id: str) -> str:
    async with db.read() as session:
        upload = await store.find_upload_anywhere(session, upload_id)
    assert upload is not None
    return upload.read_token


@pytest.mark.contract("A25")
async def test_a_file_in_one_piece_makes_the_upload_complete(world: World) -> None:
    upload_id = await begun(world, model__gguf=GGUF)
    before = (await world.get(f"/uploads/{upload_id}")).json()
    assert (before["state"], before["stored_bytes"], before["files"][0]["is_whole"]) == ("open", 0, False)
    answer = await sent(world, upload_id, "model.gguf", GGUF)
    assert (answer.status_code, answer.json()["is_whole"]) == (200, True)
    assert answer.headers["upload-offset"] == str(len(GGUF))
    after = (await world.get(f"/uploads/{upload_id}")).json()
    assert (after["state"], after["stored_bytes"], after["expires_at"]) == ("complete", len(GGUF), None)


async def test_pieces_go_on_where_the_file_ends(world: World) -> None:
    upload_id, size = await begun(world, model__gguf=GGUF), len(GGUF)
    first = await sent(world, upload_id, "model.gguf", GGUF[:1000], f"bytes 0-999/{size}")
    assert (first.json()["offset"], first.json()["is_whole"]) == (1000, False)
    head = await world.http.head(f"{API}/uploads/{upload_id}/files/model.gguf")
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("1000", str(size))
    last = await sent(world, upload_id, "model.gguf", GGUF[1000:], f"bytes 1000-{size - 1}/{size}")
    assert last.json()["is_whole"]


async def test_a_piece_that_leaves_a_gap_or_comes_twice_changes_nothing(sqlite_world: World) -> None:
    upload_id, size = await begun(sqlite_world, model__gguf=GGUF), len(GGUF)
    await sent(sqlite_world, upload_id, "model.gguf", GGUF[:1000], f"bytes 0-999/{size}")
    for at in (900, 1100):
        refused = await sent(sqlite_world, upload_id, "model.gguf", GGUF[at:], f"bytes {at}-{size - 1}/{size}")
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_moved")
        assert "Go on at byte 1000" in refused.json()["detail"]
    assert (await sqlite_world.get(f"/uploads/{upload_id}")).json()["stored_bytes"] == 1000


async def test_without_a_range_the_file_begins_anew(sqlite_world: World) -> None:
    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    await sent(sqlite_world, upload_id, "model.gguf", b"x" * 1000, f"bytes 0-999/{len(GGUF)}")
    assert (await sent(sqlite_world, upload_id, "model.gguf", GGUF)).json()["is_whole"]


async def test_what_came_of_a_body_that_ended_early_is_kept(sqlite_world: World) -> None:
    async def short() -> AsyncIterator[bytes]:
        yield GGUF[:2000]

    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    path = f"{API}/uploads/{upload_id}/files/model.gguf"
    assert (await sqlite_world.http.put(path, content=short())).json()["offset"] == 2000
    rest = await sent(sqlite_world, upload_id, "model.gguf", GGUF[2000:], f"bytes */{len(GGUF)}")
    assert rest.json()["is_whole"]


async def test_bytes_that_are_not_what_was_announced_are_dropped(world: World) -> None:
    upload_id = await begun(world, model__gguf=GGUF)
    refused = await sent(world, upload_id, "model.gguf", GGUF[:-1] + b"?")
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_damaged")
    assert hashlib.sha256(GGUF).hexdigest() in refused.json()["detail"]
    assert (await world.get(f"/uploads/{upload_id}")).json()["stored_bytes"] == 0
    assert (await sent(world, upload_id, "model.gguf", GGUF)).json()["is_whole"]


@pytest.mark.parametrize(("name", "content"), [("model__gguf", b"no model at all"), ("m__safetensors", b"\xff" * 100)])
async def test_a_file_that_cannot_be_what_its_name_says_is_dropped(
    sqlite_world: World, name: str, content: bytes
) -> None:
    upload_id = await begun(sqlite_world, **{name: content})
    refused = await sent(sqlite_world, upload_id, name.replace("__", "."), content)
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_damaged")


async def test_more_bytes_than_announced_are_refused_whether_their_number_is_said_or_not(sqlite_world: World) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield GGUF

    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    path = f"{API}/uploads/{upload_id}/files/model.gguf"
    for content in (GGUF + b"x", endless()):
        assert (await sqlite_world.http.put(path, content=content)).status_code == 422
    short = await sqlite_world.http.put(path, content=GGUF[:-1])
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "content-length")
    assert (await sent(sqlite_world, upload_id, "model.gguf", GGUF, "bytes 1-2")).status_code == 422


async def test_a_file_that_is_whole_stays_whole(world: World) -> None:
    upload_id = await uploaded(world, model__gguf=GGUF)
    assert (await sent(world, upload_id, "model.gguf", b"other")).json()["is_whole"]


async def test_two_requests_do_not_write_one_file(sqlite_world: World) -> None:
    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    async with sqlite_world.db.read() as session:
        upload = await store.find_upload_anywhere(session, upload_id)
    assert upload is not None
    async with sqlite_world.disk.writing(upload, upload.files[0], 0):
        refused = await sent(sqlite_world, upload_id, "model.gguf", GGUF)
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_busy")
    assert (await sent(sqlite_world, upload_id, "model.gguf", GGUF)).json()["is_whole"]


async def test_an_upload_of_several_files_is_complete_with_the_last(world: World) -> None:
    upload_id = await begun(world, config__json=b"{}", model__safetensors=SAFETENSORS, empty=b"")
    for path, content in (("config.json", b"{}"), ("model.safetensors", SAFETENSORS)):
        await sent(world, upload_id, path, content)
        assert (await world.get(f"/uploads/{upload_id}")).json()["state"] == "open"
    await sent(world, upload_id, "empty", b"")
    assert (await world.get(f"/uploads/{upload_id}")).json()["state"] == "complete"


@pytest.mark.contract("A10")
async def test_a_node_reads_a_complete_upload_with_its_secret_alone(world: World) -> None:
    upload_id = await uploaded(world, model__gguf=GGUF)
    token = await token_of(world.db, upload_id)
    del world.http.headers["authorization"]
    listed = (await world.get(f"/uploads/{upload_id}", token=token)).json()
    assert listed == announced(model__gguf=GGUF)
    path = f"{API}/uploads/{upload_id}/files/model.gguf"
    whole = await world.http.get(path, params={"token": token})
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, GGUF, "bytes")
    part = await world.http.get(path, params={"token": token}, headers={"range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, GGUF[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(GGUF)}"
    beyond = await world.http.get(path, params={"token": token}, headers={"range": f"bytes={len(GGUF)}-"})
    assert beyond.status_code == 416


async def test_a_wrong_secret_an_unknown_upload_and_an_unfinished_one_are_not_read(sqlite_world: World) -> None:
    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    token = await token_of(sqlite_world.db, upload_id)
    for path, given, status in (
        (f"/uploads/{upload_id}", "wrong", 401),
        (f"/uploads/{upload_id}/files/model.gguf", "", 401),
        ("/uploads/upl_x", token, 401),
        (f"/uploads/{upload_id}", token, 409),
    ):
        assert (await sqlite_world.get(path, token=given)).status_code == status, path
    assert (await sqlite_world.get(f"/uploads/{upload_id}/files/model.gguf")).status_code == 409


async def test_the_secret_is_in_no_answer(world: World) -> None:
    upload_id = await uploaded(world, model__gguf=GGUF)
    token = await token_of(world.db, upload_id)
    model = await world.model(source={"kind": "upload", "uri": upload_id})
    assert model["source"]["uri"] == upload_id
    deployment = await world.deployment()
    for path in ("/uploads", f"/uploads/{upload_id}", "/models", f"/deployments/{deployment['id']}"):
        assert token not in (await world.get(path)).text
    async with world.db.read() as session:
        found = await store.users_of_upload(session, upload_id)
    assert found == ["the model smol", "the deployment smol-a"]


async def test_viewers_and_other_tenants_do_not_reach_uploads(sqlite_world: World) -> None:
    await add_tenant(sqlite_world, "ten_other")
    upload_id = await uploaded(sqlite_world, model__gguf=GGUF)
    for token, status in (
        (sqlite_world.token(Role.VIEWER), 403),
        (sqlite_world.token(Role.ADMINISTRATOR, tenant_id="ten_other"), 404),
    ):
        sqlite_world.http.headers["authorization"] = f"Bearer {token}"
        assert (await sqlite_world.get(f"/uploads/{upload_id}")).status_code == status
        assert (await sqlite_world.get(f"/uploads/{upload_id}/files/model.gguf")).status_code == status
        assert (await sent(sqlite_world, upload_id, "model.gguf", GGUF)).status_code == status


async def test_only_files_that_were_announced_are_taken(sqlite_world: World) -> None:
    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    for path in ("other.gguf", "..%2f..%2fetc%2fpasswd", "model.gguf/x"):
        assert (await sent(sqlite_world, upload_id, path, b"x")).status_code == 404


async def test_an_upload_without_room_is_refused(sqlite_url: str, migrated: Migrate, tmp_path: Path) -> None:
    await migrated(sqlite_url, "catalog")
    async with a_world(sqlite_url, tmp_path / "uploads", headroom_bytes=2**60) as world:
        refused = await world.post("/uploads", announced(model__gguf=GGUF))
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")


async def test_so_many_unfinished_uploads_and_no_more(sqlite_world: World) -> None:
    for _ in range(3):
        upload_id = await begun(sqlite_world, model__gguf=GGUF)
    refused = await sqlite_world.post("/uploads", announced(model__gguf=GGUF))
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_uploads")
    await sent(sqlite_world, upload_id, "model.gguf", GGUF)
    await begun(sqlite_world, model__gguf=GGUF)


async def test_a_silent_client_is_given_up_and_keeps_what_it_sent(
    sqlite_url: str, migrated: Migrate, tmp_path: Path
) -> None:
    await migrated(sqlite_url, "catalog")
    async with a_world(sqlite_url, tmp_path / "uploads", idle_s=0.0) as world:
        upload_id = await begun(world, model__gguf=GGUF)
        stalled = await sent(world, upload_id, "model.gguf", GGUF)
        assert (stalled.status_code, stalled.json()["code"]) == (408, "upload_stalled")


async def test_unfinished_uploads_expire_and_complete_ones_stay(world: World) -> None:
    complete, expiring = await uploaded(world, model__gguf=GGUF), await begun(world, model__gguf=GGUF)
    await sent(world, expiring, "model.gguf", GGUF[:100], f"bytes 0-99/{len(GGUF)}")
    lost = world.uploads_dir / f"upl_{'0' * 32}"
    lost.mkdir()
    for path in (*world.uploads_dir.glob("upl_*/*"), *world.uploads_dir.iterdir()):
        os.utime(path, (world.clock.seconds, world.clock.seconds))

    async def dropped() -> list[str]:
        return await drop_expired_uploads(world.db, world.disk, world.clock, expiry_s=86_400.0)

    world.clock.seconds += 86_000
    assert await dropped() == []
    world.clock.seconds += 1000
    assert sorted(await dropped()) == sorted([expiring, lost.name])
    assert [path.name for path in world.uploads_dir.iterdir()] == [complete]
    world.http.headers["authorization"] = f"Bearer {world.token(Role.ADMINISTRATOR)}"
    assert (await world.get(f"/uploads/{expiring}")).status_code == 404


async def test_an_upload_that_is_needed_is_not_deleted(world: World) -> None:
    upload_id = await uploaded(world, model__gguf=GGUF)
    model = await world.model(source={"kind": "upload", "uri": upload_id})
    copy = await world.post(f"/models/{model['id']}:copy", {"name": "copy"})
    refused = await world.delete(f"/uploads/{upload_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_in_use")
    assert "the model copy" in refused.json()["detail"]
    assert (await world.delete(f"/models/{model['id']}")).status_code == 204
    assert (world.uploads_dir / upload_id).is_dir()
    assert (await world.delete(f"/models/{copy.json()['id']}")).status_code == 204
    assert not (world.uploads_dir / upload_id).exists()
    assert (await world.get(f"/uploads/{upload_id}")).status_code == 404


async def test_an_upload_that_nobody_needs_can_be_deleted(world: World) -> None:
    upload_id = await uploaded(world, model__gguf=GGUF)
    assert (await world.delete(f"/uploads/{upload_id}")).status_code == 204
    assert list(world.uploads_dir.iterdir()) == []


async def test_a_model_is_not_made_of_an_upload_that_is_not_complete(sqlite_world: World) -> None:
    upload_id = await begun(sqlite_world, model__gguf=GGUF)
    for uri, told in ((upload_id, "is not complete"), (f"upl_{'0' * 32}", "there is no upload"), ("x", "upl_ and 32")):
        body = {"name": "m", "kind": "chat", "source": {"kind": "upload", "uri": uri}}
        refused = await sqlite_world.post("/models", body)
        [fault] = refused.json()["errors"]
        assert (refused.status_code, fault["field"]) == (422, "source.uri")
        assert told in fault["message"]


async def test_an_upload_that_is_deleted_while_bytes_come_is_gone(sqlite_world: World) -> None:
    upload_id = await begun(sqlite_world, model__gguf=GGUF)

    async def pieces() -> AsyncIterator[bytes]:
        yield GGUF[:1000]
        assert (await sqlite_world.delete(f"/uploads/{upload_id}")).status_code == 204
        yield GGUF[1000:]

    path = f"{API}/uploads/{upload_id}/files/model.gguf"
    refused = await sqlite_world.http.put(path, content=pieces())
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_busy")
    assert (await sent(sqlite_world, upload_id, "model.gguf", GGUF)).status_code == 404
    assert list(sqlite_world.uploads_dir.iterdir()) == []


async def test_a_file_that_the_disk_lost_is_told_and_can_be_sent_again(sqlite_world: World) -> None:
    upload_id = await uploaded(sqlite_world, model__gguf=GGUF)
    for file in sqlite_world.uploads_dir.glob("*/*.whole"):
        file.unlink()
    path = f"/uploads/{upload_id}/files/model.gguf"
    refused = await sqlite_world.get(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_incomplete")
    assert (await sent(sqlite_world, upload_id, "model.gguf", GGUF)).json()["is_whole"]
    assert (await sqlite_world.get(path)).content == GGUF
