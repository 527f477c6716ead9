"""Every service refuses every forged token, whatever it is asked for; the router takes none at all, only API keys."""

from pathlib import Path

import pytest

from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from tests.component.access.worlds import SERVICES, Platform
from tests.support.asgi_call import asgi_call
from tests.support.forged_tokens import Forger
from tests.support.running_router import Fleet, RunningRouter
from tests.support.scripted_engine import Engine

pytestmark = pytest.mark.contract("E03")
ASKED = {"catalog": b"/api/v1/models", "scheduler": b"/api/v1/nodes", "metering": b"/api/v1/usage"}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_refuses_every_forged_token(platform: Platform, service: str) -> None:
    served = platform.services[service]
    private, public = generate_keypair()
    verifier: TokenVerifier = served.app.state.verifier
    verifier.trust(public, generation=1)
    forger = Forger(private, public, now=verifier._clock.now())

    async def asked(token: str) -> tuple[int, str]:
        credentials = [(b"authorization", f"Bearer {token}".encode())]
        got = await asgi_call(served.app, "GET", ASKED[service], headers=credentials)
        return got.status, got.text

    assert (await asked(forger.good()))[0] == 200
    answers = {wrong: await asked(token) for wrong, token in forger.table().items()}
    assert len(answers) > 50
    assert {wrong: got for wrong, got in answers.items() if got[0] != 401} == {}
    told = {text.replace("has expired; get a new one", "is not valid here") for _, text in answers.values()}
    shown = {text.partition('"instance"')[0] for text in told}
    assert len(shown) <= 2, "a refusal says which key or claim it wanted"


async def test_the_router_takes_no_token_as_a_key(tmp_path: Path) -> None:
    private, public = generate_keypair()
    async with Engine() as engine, Fleet() as fleet, RunningRouter(tmp_path, fleet) as router:
        await fleet.serve(engine)
        await router.ready()
        forger = Forger(private, public, now=1_800_000_000.0)
        for token in [forger.good(), *forger.table().values()]:
            for headers in ({"authorization": f"Bearer {token}"}, {"x-api-key": token}):
                async with router.session.get("/v1/models", headers=headers) as answer:
                    assert answer.status == 401, token
                    assert (await answer.json())["error"]["code"] == "invalid_api_key"
        assert engine.exchanges == []
