"""What lies in a data directory before the first process starts."""

import subprocess
from pathlib import Path

import pytest

from roundhouse_catalog.settings import CatalogSettings
from roundhouse_cli.local.layout import DataDir, Ports
from roundhouse_cli.local.prepare import JoinedBefore, local_node_id, prepare
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.local.services import environment, nats_server_program, plan
from roundhouse_cli.supervisor.plan import Plan
from roundhouse_common.auth import Role
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.contracts.base import Service
from roundhouse_common.runtime import SystemClock, SystemIds
from roundhouse_common.secret_box import SecretFile
from roundhouse_common.service.settings import check_names
from roundhouse_node_agent.settings import NodeAgentSettings
from roundhouse_router.settings import RouterSettings

_PORTS = Ports(21_000)


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    return DataDir(tmp_path / "data")


@pytest.fixture
def prepared(data_dir: DataDir) -> Plan:
    return prepare(data_dir, _PORTS, SystemIds(), SystemClock())


def nats_accepts(config: Path) -> bool:
    """Let the real server check its configuration."""
    return subprocess.run([nats_server_program(), "-t", "-c", str(config)], capture_output=True).returncode == 0


def test_every_secret_is_private_and_every_service_has_its_own(data_dir: DataDir, prepared: Plan) -> None:
    files = [path for path in data_dir.path.rglob("*") if path.is_file()]

    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in data_dir.path.rglob("*") if path.is_dir()} == {0o700}
    seeds = {data_dir.secrets.joinpath(f"nats-{service}.seed").read_text() for service in Service}
    assert len(seeds) == len(Service)


def test_preparing_again_changes_no_secret(data_dir: DataDir, prepared: Plan) -> None:
    before = {path: path.read_bytes() for path in data_dir.secrets.iterdir()}
    node_id = local_node_id(data_dir, SystemIds())

    assert prepare(data_dir, _PORTS, SystemIds(), SystemClock()) == prepared
    assert {path: path.read_bytes() for path in data_dir.secrets.iterdir()} == before
    assert local_node_id(data_dir, SystemIds()) == node_id


def test_no_secret_is_in_the_plan(data_dir: DataDir, prepared: Plan) -> None:
    text = prepared.dumps()

    for path in data_dir.secrets.glob("nats-*.seed"):
        assert path.read_text().strip() not in text
    assert '"d"' not in text


def test_the_administrators_token_is_accepted_by_the_public_key(data_dir: DataDir, prepared: Plan) -> None:
    secrets = Secrets(data_dir.secrets)

    subject = TokenVerifier.from_file(secrets.token_public).verify(secrets.admin_token(SystemClock(), 60.0))

    assert (subject.id, subject.tenant_id) == ("usr_admin", "ten_default")
    assert subject.roles == {Role.ADMINISTRATOR}


def test_the_nats_server_accepts_its_configuration(data_dir: DataDir, prepared: Plan) -> None:
    assert nats_accepts(data_dir.nats / "nats.conf")


def test_services_stop_from_the_outside_in(prepared: Plan) -> None:
    order = ("console", "router", "node-agent", "engines", "scheduler", "metering", "catalog", "nats")

    assert prepared.stop_order == order
    assert {child.name for child in prepared.children} | {task.name for task in prepared.tasks} == set(order)
    assert prepared.children[0].name == "nats"


def test_a_service_is_told_only_settings_that_it_has(prepared: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    (agent,) = [child for child in prepared.children if child.name == "node-agent"]
    for name, value in agent.environment.items():
        monkeypatch.setenv(name, value)

    check_names(NodeAgentSettings, agent.environment)

    assert NodeAgentSettings().port == _PORTS.services["node-agent"]


def test_catalog_and_router_get_the_same_file_of_keys(data_dir: DataDir, prepared: Plan) -> None:
    told = {child.name: child.environment for child in prepared.children}
    catalog, router = told["catalog"], told["router"]

    check_names(CatalogSettings, catalog)
    check_names(RouterSettings, router)
    path = Path(catalog["ROUNDHOUSE_CATALOG_SECRETS_KEY_FILE"])
    assert router["ROUNDHOUSE_ROUTER_SECRETS_KEY_FILE"] == str(path)
    box = SecretFile(path, setting="").box()
    assert box.open(box.seal("sk")) == "sk"
    assert path.read_text().strip() not in prepared.dumps()


def test_nodes_of_an_earlier_release_are_told_once(data_dir: DataDir, prepared: Plan) -> None:
    (data_dir.secrets / "nodes.json").write_text('{"nod_second": "UABC"}')

    assert JoinedBefore(data_dir).take() == ["nod_second"]
    assert JoinedBefore(data_dir).take() == []


def test_without_a_console_nothing_of_it_is_started_listened_for_or_trusted(data_dir: DataDir) -> None:
    ports = Ports(21_000, has_console=False)
    made = plan(data_dir, ports, node_id="node_1", cookie="c")

    assert "console" not in {child.name for child in made.children} | set(made.stop_order) | set(ports.services)
    assert "ROUNDHOUSE_CATALOG_TRUSTED_PROXIES" not in environment(Service.CATALOG, data_dir, ports, node_id="node_1")


def test_the_services_take_browsers_addresses_from_the_console(data_dir: DataDir, prepared: Plan) -> None:
    told = {child.name: child.environment for child in prepared.children}
    for name in ("catalog", "scheduler", "metering"):
        assert told[name][f"ROUNDHOUSE_{name.upper()}_TRUSTED_PROXIES"] == '["127.0.0.1/32"]'
    assert not any("TRUSTED_PROXIES" in name for name in told["router"])


def test_single_sign_on_may_end_at_the_console_of_an_open_platform(data_dir: DataDir) -> None:
    found = environment(Service.CATALOG, data_dir, Ports(21_000, "10.0.0.5"), node_id="node_1")
    assert found["ROUNDHOUSE_CATALOG_LOGIN_REDIRECTS"] == '["http://10.0.0.5:21006/login/done"]'


@pytest.mark.parametrize(("listen", "host"), [("127.0.0.1", "127.0.0.1"), ("10.0.0.5", "10.0.0.5")])
def test_nodes_fetch_uploads_where_everything_listens(data_dir: DataDir, listen: str, host: str) -> None:
    found = environment(Service.CATALOG, data_dir, Ports(21_000, listen), node_id="node_1")
    assert found["ROUNDHOUSE_CATALOG_PUBLIC_URL"] == f"http://{host}:21001"


def test_nodes_on_other_hosts_are_not_sent_to_an_address_that_nobody_has(data_dir: DataDir) -> None:
    found = environment(Service.CATALOG, data_dir, Ports(21_000, "0.0.0.0"), node_id="node_1")
    assert found["ROUNDHOUSE_CATALOG_PUBLIC_URL"] != "http://0.0.0.0:21001"
