"""Templates: what they suit, what is laid over them, and what can never be a template."""

from dataclasses import replace
from typing import Any

import pytest

from roundhouse_catalog.domain.drafts import AlternativeDraft, DeploymentDraft, ResourcesDraft, VersionDraft
from roundhouse_catalog.domain.templates import (
    Recipe,
    Suits,
    Template,
    TemplateName,
    check_recipe,
    lay_over,
    parse_reference,
    unsuited,
)
from roundhouse_common.contracts.models import ModelFacts, ModelFormat
from roundhouse_common.errors import InvalidInput
from tests.unit.catalog.builders import NOW, a_model

LLAMA = ModelFacts(format=ModelFormat.GGUF, architecture="llama", weight_bytes=1)
ALTERNATIVES = (AlternativeDraft(name="gpu", resources=ResourcesDraft(device_count=1, memory_bytes=5)),)


def a_template(*, suits: Suits | None = None, **launch: Any) -> Template:
    recipe = Recipe(suits=suits or Suits(), launch=DeploymentDraft(**launch))
    return Template(
        template_id="tpl_1",
        tenant_id="ten_default",
        name="small",
        number=3,
        recipe=recipe,
        created_at=NOW,
        created_by="",
    )


@pytest.mark.contract("A09")
def test_what_is_not_stated_comes_from_the_template() -> None:
    version = VersionDraft(parameters={"parallel": "2", "context": "1024"}, resources=ResourcesDraft(cpu_millis=500))
    template = a_template(version=version, replicas=2, is_evictable=True)
    draft = lay_over(template, DeploymentDraft(name="mine"), {"model", "template", "name"})
    assert draft == replace(template.recipe.launch, name="mine", version=replace(version, template="small@3"))


def test_what_is_stated_is_laid_over_the_template() -> None:
    version = VersionDraft(parameters={"parallel": "2", "context": "1024"}, alternatives=ALTERNATIVES)
    stated = DeploymentDraft(
        replicas=5, version=VersionDraft(parameters={"parallel": "8"}, resources=ResourcesDraft(memory_bytes=7))
    )
    draft = lay_over(a_template(version=version), stated, {"replicas", "parameters", "resources"})
    assert (draft.replicas, draft.version.parameters) == (5, {"parallel": "8", "context": "1024"})
    assert (draft.version.resources.memory_bytes, draft.version.alternatives) == (7, ())


def test_alternatives_stay_where_resources_are_not_stated() -> None:
    template = a_template(version=VersionDraft(alternatives=ALTERNATIVES))
    assert lay_over(template, DeploymentDraft(), ()).version.alternatives == ALTERNATIVES


@pytest.mark.parametrize(
    ("suits", "told"),
    [
        (Suits(kinds=("embedding",)), "for models of the kind embedding"),
        (Suits(names=("qwen*", "*-base")), "for models called qwen*, *-base"),
        (Suits(architectures=("qwen*",)), "the model is a llama"),
    ],
)
def test_a_model_that_it_is_not_for_is_refused(suits: Suits, told: str) -> None:
    assert told in (unsuited(a_template(suits=suits), replace(a_model(), facts=LLAMA)) or "")


def test_patterns_have_no_regard_to_case() -> None:
    suits = Suits(kinds=("chat",), names=("smol*-INSTRUCT",), architectures=("LLama",))
    assert unsuited(a_template(suits=suits), replace(a_model(), facts=LLAMA)) is None


def test_an_architecture_that_is_not_known_is_asked_for() -> None:
    assert ":inspect" in (unsuited(a_template(suits=Suits(architectures=("llama",))), a_model()) or "")


@pytest.mark.parametrize(
    ("recipe", "field", "told"),
    [
        (Recipe(suits=Suits(kinds=("chatt",))), "suits.kinds.0", 'Did you mean "chat"?'),
        (Recipe(suits=Suits(kinds=("image",))), "suits.kinds.0", "llama.cpp cannot serve"),
        (Recipe(suits=Suits(names=("",))), "suits.names.0", "visible characters"),
        (Recipe(description="x" * 2001), "description", "2000 at most"),
        (Recipe(launch=DeploymentDraft(replicas=-1)), "replicas", "0 to 1000"),
        (Recipe(launch=DeploymentDraft(version=VersionDraft(parameters={"paralel": "1"}))), "parameters.paralel",
         'Did you mean "parallel"?'),
    ],
)  # fmt: skip
def test_a_recipe_that_could_never_be_used_is_refused(recipe: Recipe, field: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_recipe("small", recipe)
    [fault] = refused.value.fields
    assert fault.field == field
    assert told in fault.message


@pytest.mark.parametrize("name", ["", "Small", "a b", "a@1", "x" * 64])
def test_names_of_templates_are_dns_names(name: str) -> None:
    with pytest.raises(InvalidInput, match="a template's name has 1 to 63"):
        check_recipe(name, Recipe())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("small", TemplateName(name="small")), ("small@2", TemplateName(name="small", number=2)), ("small@0", None),
     ("small@x", None), ("small@", None)],
)  # fmt: skip
def test_a_reference_is_a_name_and_perhaps_a_number(text: str, wanted: TemplateName | None) -> None:
    assert parse_reference(text) == wanted
