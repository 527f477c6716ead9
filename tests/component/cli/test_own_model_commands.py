"""`roundhouse models`: uploads, Modelfiles, copies and defaults against a scripted catalog."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

CONTENT = b"GGUF" + b"x" * 3_000
FILE: dict[str, Any] = {
    "path": "tiny.gguf",
    "size": len(CONTENT),
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "offset": 0,
    "is_whole": False,
}
UPLOAD: dict[str, Any] = {"id": "upl_1", "state": "open", "files": [FILE]}
MODEL: dict[str, Any] = {
    "id": "mdl_1",
    "name": "pirate",
    "source": {"kind": "upload", "uri": "upl_1"},
    "facts": {"format": "gguf"},
    "defaults": {"system_message": "Be brief.", "parameters": {"top_k": 40}, "chat_template": ""},
}
UPLOADS = "/api/v1/uploads"
PUT = f"{UPLOADS}/upl_1/files/tiny.gguf"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(CONTENT)
    return path


def _takes_the_rest(server: Scripted, *, offset: int) -> None:
    server.on("GET", f"{UPLOADS}/upl_1", {**UPLOAD, "files": [{**FILE, "offset": offset}]})
    server.on("GET", f"{UPLOADS}/upl_1", {**UPLOAD, "state": "complete", "files": [{**FILE, "is_whole": True}]})
    server.on("PUT", PUT, {**FILE, "is_whole": True})
    server.on("POST", "/api/v1/models", MODEL, status=201)


@pytest.mark.contract("A25")
def test_a_file_is_announced_with_its_digest_and_sent(roundhouse: Command, server: Scripted, weights: Path) -> None:
    server.items(UPLOADS)
    server.on("POST", UPLOADS, UPLOAD, status=201)
    _takes_the_rest(server, offset=0)

    result = roundhouse("models", "upload", "pirate", str(weights))

    assert result.code == 0
    announced = [asked for asked in server.asked if (asked.method, asked.path) == ("POST", UPLOADS)]
    assert announced[0].body == {"files": [{name: FILE[name] for name in ("path", "size", "sha256")}]}
    assert server.last("PUT").content == CONTENT
    assert server.last("PUT").headers["content-range"] == f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
    assert server.last("POST").body["source"] == {"kind": "upload", "uri": "upl_1"}


def test_an_upload_that_was_cut_off_goes_on_where_it_ended(
    roundhouse: Command, server: Scripted, weights: Path
) -> None:
    server.items(UPLOADS, UPLOAD)
    _takes_the_rest(server, offset=1_000)

    assert roundhouse("models", "upload", "pirate", str(weights)).code == 0

    assert server.last("PUT").content == CONTENT[1_000:]
    assert not [asked for asked in server.asked if (asked.method, asked.path) == ("POST", UPLOADS)]


def test_files_that_a_modelfile_names_beside_itself_are_uploaded(
    roundhouse: Command, server: Scripted, weights: Path
) -> None:
    server.items(UPLOADS, {**UPLOAD, "state": "complete"})
    _takes_the_rest(server, offset=0)
    server.on("POST", "/api/v1/models:from-modelfile", {**MODEL, "notes": ["num_ctx: state it as context"]}, status=201)
    text = 'FROM "./tiny.gguf"\nSYSTEM You are a pirate.\n'
    modelfile = weights.with_name("Modelfile")
    modelfile.write_text(text, encoding="utf-8")

    result = roundhouse("models", "create", "pirate", "-f", str(modelfile))

    assert result.code == 0
    assert server.last("POST").body == {"name": "pirate", "modelfile": "FROM upl_1\nSYSTEM You are a pirate.\n"}
    assert "num_ctx: state it as context" in result.err


def test_a_modelfile_that_is_not_there_is_named(roundhouse: Command, tmp_path: Path) -> None:
    result = roundhouse.fails("models", "create", "pirate", "-f", str(tmp_path / "Modelfile"))

    assert result.code == 2
    assert "Modelfile cannot be read" in result.err


def test_defaults_are_laid_over_those_there_are(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/models", MODEL)
    server.on("GET", "/api/v1/models/mdl_1", MODEL, headers={"etag": '"1"'})
    server.on("PATCH", "/api/v1/models/mdl_1", MODEL)

    result = roundhouse(
        "models", "defaults", "pirate", "--set", "temperature=0.2", "--set", 'stop=["#"]', "--unset", "top_k"
    )

    assert result.code == 0
    assert server.last("PATCH").body == {
        "defaults": {
            "system_message": "Be brief.",
            "parameters": {"temperature": 0.2, "stop": ["#"]},
            "chat_template": "",
        }
    }
    assert "has no parameter 'top_p'" in roundhouse.fails("models", "defaults", "pirate", "--unset", "top_p").err


def test_a_copy_gets_another_name(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/models", MODEL)
    server.on("POST", "/api/v1/models/mdl_1:copy", {**MODEL, "name": "parrot"}, status=201)

    assert roundhouse("models", "copy", "pirate", "parrot").code == 0
    assert server.last("POST").body == {"name": "parrot"}


def test_a_model_whose_files_no_node_can_read_is_added_with_the_reason(roundhouse: Command, server: Scripted) -> None:
    added = {"id": "mdl_1", "name": "typo", "source": {"kind": "hugging-face", "uri": "acme/typo"}, "facts": None}
    server.on("POST", "/api/v1/models", added, status=201)
    server.on("POST", "/api/v1/models/mdl_1:inspect", {"detail": "the hub has no model acme/typo"}, status=422)

    result = roundhouse("models", "add", "typo", "--from", "hf:acme/typo")

    assert result.code == 0
    assert "acme/typo" in result.out
    assert result.err.startswith("typo is added, but cannot be deployed yet.")
    assert "the hub has no model acme/typo" in result.err


def test_defaults_without_a_change_are_refused(roundhouse: Command, server: Scripted) -> None:
    result = roundhouse.fails("models", "defaults", "pirate")

    assert result.code == 2
    assert "--set" in result.err
    assert not server.asked


def test_what_is_no_number_in_json_is_left_to_the_catalog_to_refuse(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/models", MODEL)
    server.on("GET", "/api/v1/models/mdl_1", MODEL)
    server.on("PATCH", "/api/v1/models/mdl_1", MODEL)

    assert roundhouse("models", "defaults", "pirate", "--set", "temperature=NaN").code == 0

    assert server.last("PATCH").body["defaults"]["parameters"]["temperature"] == "NaN"
