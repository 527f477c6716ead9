"""Sampling parameters have the names and ranges of the OpenAI API, and those that most engines take beside it."""

import math

import pytest

from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.model_defaults import Sampled, check_defaults, tidied
from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.errors import InvalidInput


def fault(defaults: ModelDefaults) -> str:
    """Return the only fault, or nothing."""
    findings = Findings()
    check_defaults(defaults, findings)
    try:
        findings.refuse()
    except InvalidInput as error:
        [only] = error.fields
        return f"{only.field}: {only.message}"
    return ""


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", [0, 0.0, 2, 1.5]),
        ("top_p", [1, 0.1]),
        ("presence_penalty", [-2, 2.0]),
        ("frequency_penalty", [-2.0, 2]),
        ("max_tokens", [1, 100_000]),
        ("seed", [-(2**63), 2**63 - 1]),
        ("top_k", [-1, 0, 40]),
        ("min_p", [0, 1]),
        ("repetition_penalty", [0.1, 10]),
        ("stop", ["x", ("x",), ("x",) * 16]),
    ],
)
def test_values_inside_the_range_are_taken(name: str, values: list[Sampled]) -> None:
    for value in values:
        assert fault(ModelDefaults(parameters={name: value})) == ""


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("temperature", 2.1, "2.1 found; a number from 0 to 2 is wanted"),
        ("temperature", -0.1, "from 0 to 2"),
        ("temperature", math.nan, "from 0 to 2"),
        ("temperature", "hot", '"hot" found; a number'),
        ("temperature", ("1",), "a list found"),
        ("top_p", 0, "a number above 0 and up to 1 is wanted"),
        ("max_tokens", 0, "a whole number from 1 to 100000000 is wanted"),
        ("max_tokens", 1.5, "1.5 found; a whole number"),
        ("seed", 2**63, "from -9223372036854775808 to 9223372036854775807"),
        ("top_k", -2, "from -1 to 1000000"),
        ("repetition_penalty", math.inf, "above 0 and up to 10"),
        ("stop", (), "0 found; 1 to 16 texts are allowed"),
        ("stop", ("x",) * 17, "17 found"),
        ("stop", "", "a text of 0 characters"),
        ("stop", 5, "5 found; a text or a list of texts is wanted"),
        ("temprature", 1, 'Did you mean "temperature"?'),
    ],
)
def test_values_outside_are_refused_with_the_range(name: str, value: Sampled, told: str) -> None:
    message = fault(ModelDefaults(parameters={name: value}))
    assert message.startswith(f"defaults.parameters.{name}: ")
    assert told in message


def test_a_chat_template_must_look_like_one() -> None:
    assert fault(ModelDefaults(chat_template="{{ messages }}")) == ""
    assert "it is no Jinja template" in fault(ModelDefaults(chat_template="You are a pirate."))
    assert "only blanks" in fault(ModelDefaults(chat_template=" \n"))
    assert "131072 are allowed" in fault(ModelDefaults(chat_template="{{" + "x" * 131_072))
    assert "65536 are allowed" in fault(ModelDefaults(system_message="x" * 65_537))


def test_more_parameters_than_there_are_is_one_fault() -> None:
    found = fault(ModelDefaults(parameters={f"p{number}": 1 for number in range(20)}))
    assert found.startswith("defaults.parameters: 20 found; there are temperature, top_p")


def test_defaults_are_kept_in_one_form() -> None:
    assert tidied(None) is None
    assert tidied(ModelDefaults()) is None
    assert tidied(ModelDefaults(parameters={"stop": "x"})) == ModelDefaults(parameters={"stop": ("x",)})
