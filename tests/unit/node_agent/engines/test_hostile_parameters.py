"""No value of an engine's parameter becomes an option, a second word, or what no program can be started with."""

import dataclasses
import itertools

import msgspec
import pytest

from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.engines.engine import RenderOrder
from roundhouse_node_agent.engines.known import all_engines
from tests.support.hostile import HOSTILE
from tests.unit.node_agent.engines.cases import CASES

ENGINES = all_engines()
TEXTS = list(itertools.chain(*HOSTILE.values()))
ONE_EACH = {order.version.engine: order for order in reversed(CASES.values())}
WORDS = ("command", "environment")
"""Whose values are meant to be several words: those of a custom engine."""


def stated(order: RenderOrder, name: str, text: str) -> RenderOrder:
    version = msgspec.structs.replace(order.version, parameters={**order.version.parameters, name: text})
    return dataclasses.replace(order, version=version)


@pytest.mark.parametrize("kind", sorted(ONE_EACH, key=str))
def test_a_hostile_value_is_refused_or_stays_one_argument(kind: str) -> None:
    engine, order = ENGINES[kind], ONE_EACH[kind]  # type: ignore[index]  # the enum's own members
    assert engine.cannot_run(order.version) is None, "else everything is refused for another reason"
    for name, text in itertools.product((*TABLES[kind].parameters, "no_such_parameter"), TEXTS):  # type: ignore[index]
        hostile = stated(order, name, text)
        if engine.cannot_run(hostile.version) is not None:
            continue
        assert name != "no_such_parameter"
        command = engine.render(hostile)
        said = (*command.argv, *command.env, *command.env.values())
        assert not any("\0" in word for word in said), (name, text)
        assert b"\xed" not in "".join(said).encode(), (name, text)  # no half of a surrogate pair
        if name not in WORDS:
            assert text not in command.argv or not text.startswith("-"), (name, text)
