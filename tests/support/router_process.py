"""A real router process that starts from a snapshot on disk, with no bus anywhere: the control plane is not needed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import aiohttp
import msgspec

from roundhouse_common.contracts.money import BudgetRecord, PriceRecord
from roundhouse_common.contracts.routing import LimitRecord, ProviderRecord, RouteRecord
from roundhouse_common.contracts.scheduler import Endpoint
from roundhouse_router.store.snapshot import SavedTable, save_table
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running_router import SECRET, api_key, deployment_endpoints, route

__all__ = ["RouterProcess"]


def compiled_as_here() -> dict[str, str]:
    """Return the variables of a router that runs compiled where the tests' own is (tests/conftest.py), else Python."""
    if build := os.environ.get("ROUNDHOUSE_TEST_COMPILED"):
        return {"ROUNDHOUSE_ROUTER_COMPILED": "required", "ROUNDHOUSE_ROUTER_COMPILED_DIR": build}
    return {"ROUNDHOUSE_ROUTER_COMPILED": "off"}


class RouterProcess:
    """`async with` starts `python -m roundhouse_router` and stops it with SIGTERM, unless it was killed."""

    def __init__(
        self,
        state_dir: Path,
        *endpoints: Endpoint,
        limits: Iterable[LimitRecord] = (),
        routes: Iterable[RouteRecord] = (),
        providers: Iterable[ProviderRecord] = (),
        prices: Iterable[PriceRecord] = (),
        budgets: Iterable[BudgetRecord] = (),
        **settings: str,
    ) -> None:
        """`routes` beside the one called `tiny`, or instead of it."""
        self.state_dir = state_dir
        self._settings = settings
        state_dir.mkdir(parents=True, exist_ok=True)
        deployment = deployment_endpoints(*endpoints)
        save_table(
            state_dir,
            SavedTable(
                saved_at=0.0,
                keys={"key_1": api_key()},
                routes={record.route_id: record for record in (route(), *routes)},
                endpoints={deployment.deployment_id: deployment},
                limits={limit.limit_id: limit for limit in limits},
                providers={provider.provider_id: provider for provider in providers},
                prices={price.price_id: price for price in prices},
                budgets={budget.budget_id: budget for budget in budgets},
            ),
        )

    async def __aenter__(self) -> "RouterProcess":
        self.port = free_port()
        environment = {
            "ROUNDHOUSE_ROUTER_PORT": str(self.port),
            "ROUNDHOUSE_ROUTER_STATE_DIR": str(self.state_dir),
            "ROUNDHOUSE_ROUTER_NATS_URL": f"nats://127.0.0.1:{free_port()}",
            "ROUNDHOUSE_ROUTER_DRAIN_TIMEOUT_S": "2",
            **compiled_as_here(),
            **{f"ROUNDHOUSE_ROUTER_{name.upper()}": value for name, value in self._settings.items()},
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDHOUSE_")}
        with (self.state_dir / "router.log").open("ab") as log:
            command = [sys.executable, "-m", "roundhouse_router"]
            self.process = subprocess.Popen(command, env={**kept, **environment}, stderr=log)
        self.session = aiohttp.ClientSession(
            self.url, headers={"authorization": f"Bearer {SECRET}"}, connector=aiohttp.TCPConnector(limit=0)
        )
        try:
            await eventually(self._is_ready, within_s=60.0, why="the router is ready")
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    async def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError((self.state_dir / "router.log").read_text())
        try:
            async with self.session.get("/readyz") as answer:
                return answer.status == 200 and msgspec.json.decode(await answer.read()) is not None
        except aiohttp.ClientConnectionError:
            return False
