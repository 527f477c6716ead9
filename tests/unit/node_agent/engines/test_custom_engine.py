"""A custom engine's template: what is wrong with it is said by name before anything runs."""

import re

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_node_agent.engines.custom import Custom
from roundhouse_node_agent.engines.engine import Feature
from tests.unit.node_agent.engines.cases import CUSTOM
from tests.unit.node_agent.engines.orders import KEY, a_gang, a_version, an_order

ENGINE = Custom()
PLAIN = {"command": "serve {model_path} --port {port}", "readiness_path": "/health"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"command": "serve {model_pth} {port}"},
            '{model_pth} is no placeholder; there are model_path, .*"model_path"',
        ),
        ({"command": "serve --key {api_key} {port}"}, "{api_key} would show the key to other users"),
        ({"command": "serve 'unfinished {port}"}, "cannot be split into words"),
        ({"command": "serve --port 8000"}, "{port} is in neither command nor environment"),
        ({"environment": "NOVALUE"}, '"NOVALUE" is not NAME=value'),
        ({"environment": "X={nothing}"}, "{nothing} is no placeholder"),
        ({"readiness_path": "health"}, "begins with /"),
        ({"readiness_path": "/{port}"}, "there is served_name"),
        ({"metrics_path": "/metrics"}, "parameter metric_running is missing"),
        ({"endpoints": "chat,talk"}, '"talk" found; there are chat'),
        ({"no_such": "1"}, 'custom has no parameter "no_such"'),
        ({"--flag": "1"}, "custom has no parameter"),
    ],
)
def test_a_wrong_template_is_refused_by_name(changes: dict[str, str], words: str) -> None:
    said = str(ENGINE.cannot_run(a_version(EngineKind.CUSTOM, parameters={**PLAIN, **changes})))
    pattern = ".*".join(re.escape(part) for part in words.split(".*"))
    assert re.search(pattern, said), said


@pytest.mark.parametrize("missing", ["command", "readiness_path"])
def test_what_it_cannot_do_without_is_asked_for(missing: str) -> None:
    given = {name: value for name, value in PLAIN.items() if name != missing}
    assert f"parameter {missing} is missing" in str(ENGINE.cannot_run(a_version(EngineKind.CUSTOM, parameters=given)))


def test_a_value_is_one_word_whatever_is_in_it() -> None:
    order = an_order(a_version(EngineKind.CUSTOM, parameters=PLAIN), model_path="/models/a b; rm -rf $HOME '")
    assert ENGINE.render(order).argv == ("serve", "/models/a b; rm -rf $HOME '", "--port", "9001")


def test_a_value_is_not_looked_at_for_placeholders_again() -> None:
    order = an_order(a_version(EngineKind.CUSTOM, parameters=PLAIN), model_path="/models/{port}")
    assert ENGINE.render(order).argv[1] == "/models/{port}"


def test_the_key_is_given_by_the_environment_only() -> None:
    command = ENGINE.render(an_order(a_version(EngineKind.CUSTOM, parameters=CUSTOM)))
    assert command.env["X_KEY"] == KEY
    assert command.env["X_HOME"] == "/state/replicas/rep_1/runs/000001-01/home"


def test_members_of_a_gang_learn_their_rank_and_their_head() -> None:
    given = {**PLAIN, "command": "serve {port} {rank}/{node_count} {head_address}:{head_port}"}
    order = an_order(a_version(EngineKind.CUSTOM, nodes=2, parameters=given), gang=a_gang(1))
    assert ENGINE.render(order).argv == ("serve", "9001", "1/2", "10.0.0.1:29777")


def test_endpoints_and_paths_are_the_stated_ones() -> None:
    version = a_version(EngineKind.CUSTOM, parameters=CUSTOM)
    assert ENGINE.capabilities(version) == {Feature.CHAT, Feature.EMBEDDINGS}
    assert ENGINE.probes(version, served_name="smol", rank=0).readiness == "/v1/models/smol"
