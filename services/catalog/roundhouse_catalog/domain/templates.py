"""Templates: what an operator settled once, so that deploying needs only a model. Each change is a new number."""

import fnmatch
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.drafts import DeploymentDraft, VersionDraft
from roundhouse_catalog.domain.engines import ENGINES, parse_engine
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.models import MODEL_KINDS, Model
from roundhouse_catalog.domain.settings import check_settings
from roundhouse_catalog.domain.versions import check_version
from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.runtime import UnixTime

__all__ = ["Recipe", "Suits", "Template", "TemplateName", "check_recipe", "lay_over", "parse_reference", "unsuited"]

_MOST_PATTERNS = 64
_MOST_DESCRIPTION = 2000
_PATTERN = re.compile(r"[\x21-\x7e]{1,128}")
_SETTINGS = (
    "replicas",
    "disconnect_grace_s",
    "drain_timeout_s",
    "rollout",
    "autoscale",
    "is_evictable",
    "wake_timeout_s",
    "failure_budget",
    "access",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suits:
    """Which models a template is for; empty means any."""

    kinds: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    """Patterns with `*` for the architecture that the model's files name, without regard to case."""
    names: tuple[str, ...] = ()
    """Patterns with `*` for the model's name, without regard to case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a template holds: everything of a deployment but its name and its model."""

    description: str = ""
    suits: Suits = field(default_factory=Suits)
    launch: DeploymentDraft = field(default_factory=DeploymentDraft)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One number of a template. It never changes."""

    template_id: str
    tenant_id: str
    name: str
    number: int
    recipe: Recipe
    created_at: UnixTime
    created_by: str

    @property
    def reference(self) -> str:
        """What a version says it was made from."""
        return f"{self.name}@{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateName:
    """What a caller refers to: a name, and a number or 0 for the newest."""

    name: str
    number: int = 0


def parse_reference(text: str) -> TemplateName | None:
    """Return what `name` or `name@2` refers to, or None when it is neither."""
    name, at, number = text.partition("@")
    if not at:
        return TemplateName(name=name)
    if number.isascii() and number.isdigit() and len(number) <= 9 and int(number) > 0:
        return TemplateName(name=name, number=int(number))
    return None


def check_recipe(name: str, recipe: Recipe) -> None:
    """Raise InvalidInput with every fault that shows without a model."""
    findings = Findings()
    findings.add("name", shapes.deployment_name_fault(name, what="a template's name"))
    if len(recipe.description) > _MOST_DESCRIPTION:
        findings.add(
            "description", f"{len(recipe.description)} characters found; {_MOST_DESCRIPTION} at most are allowed"
        )
    _check_suits(recipe, findings)
    check_settings(recipe.launch, findings)
    check_version(recipe.launch.version, findings)
    findings.refuse()


def unsuited(template: Template, model: Model) -> str | None:
    """Return why the template is not for this model in words, or None when it is."""
    suits = template.recipe.suits
    if suits.kinds and model.kind.value not in suits.kinds:
        return (
            f"{template.name} is for models of the kind {', '.join(suits.kinds)}; {quoted(model.name)} is {model.kind}"
        )
    if suits.names and not _fits(model.name, suits.names):
        return f"{template.name} is for models called {', '.join(suits.names)}; found {quoted(model.name)}"
    if suits.architectures:
        found = model.facts.architecture if model.facts else ""
        if not found:
            return (
                f"{template.name} is for the architectures {', '.join(suits.architectures)}, and that of "
                f"{quoted(model.name)} is not known; read it with POST /api/v1/models/{model.model_id}:inspect"
            )
        if not _fits(found, suits.architectures):
            return f"{template.name} is for the architectures {', '.join(suits.architectures)}; the model is a {found}"
    return None


def lay_over(template: Template, stated: DeploymentDraft, names: Collection[str]) -> DeploymentDraft:
    """Return the template's deployment with what the caller stated: `names` are the fields that they gave.

    Parameters are laid over the template's; everything else is replaced whole. Stated resources go before the
    template's alternatives, which are then left out.
    """
    base = template.recipe.launch
    ours, theirs = base.version, stated.version
    alternatives = () if "resources" in names else ours.alternatives
    is_other_engine = "engine" in names and theirs.engine != ours.engine
    version = VersionDraft(
        engine=theirs.engine if "engine" in names else ours.engine,
        parameters={**ours.parameters, **theirs.parameters},
        resources=theirs.resources if "resources" in names else ours.resources,
        placement=theirs.placement if "placement" in names else ours.placement,
        alternatives=theirs.alternatives if "alternatives" in names else alternatives,
        template=template.reference,
        engine_version=theirs.engine_version if "engine_version" in names or is_other_engine else ours.engine_version,
        installs_engine=theirs.installs_engine if "installs_engine" in names else ours.installs_engine,
    )
    settings = {name: getattr(stated, name) for name in _SETTINGS if name in names}
    return replace(base, name=stated.name, version=version, **settings)


def _check_suits(recipe: Recipe, findings: Findings) -> None:
    suits, engine = recipe.suits, parse_engine(recipe.launch.version.engine)
    for index, kind in enumerate(suits.kinds):
        fault = shapes.choice_fault(kind, MODEL_KINDS)
        if fault is None and isinstance(engine, EngineKind) and kind not in ENGINES[engine].model_kinds:
            served = ", ".join(sorted(ENGINES[engine].model_kinds))
            fault = f"{quoted(kind)} found, which {engine} cannot serve; it serves {served}"
        findings.add(f"suits.kinds.{index}", fault)
    for name, patterns in (("architectures", suits.architectures), ("names", suits.names)):
        if len(patterns) > _MOST_PATTERNS:
            findings.add(f"suits.{name}", f"{len(patterns)} found; {_MOST_PATTERNS} are allowed")
        for index, pattern in enumerate(patterns[:_MOST_PATTERNS]):
            if not _PATTERN.fullmatch(pattern):
                findings.add(
                    f"suits.{name}.{index}",
                    f"{quoted(pattern)} found; 1 to 128 visible characters are allowed, with * for any part",
                )


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    folded = text.casefold()
    return any(fnmatch.fnmatchcase(folded, pattern.casefold()) for pattern in patterns)
