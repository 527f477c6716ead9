"""Bodies of `/routes:import-litellm`."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from roundhouse_catalog.api.litellm_documents import MOST_BYTES
from roundhouse_catalog.api.schemas import Body, View
from roundhouse_catalog.domain.limits import Limit
from roundhouse_catalog.domain.litellm_report import LineOutcome, Report
from roundhouse_catalog.domain.litellm_settling import Outcome, Settled
from roundhouse_catalog.domain.providers import Provider
from roundhouse_catalog.domain.routes import Route

__all__ = ["LiteLLMConfigToImport", "LiteLLMImportedView"]


class LiteLLMConfigToImport(Body):
    """A LiteLLM `config.yaml`, with what it takes from the environment."""

    config: str = Field(max_length=MOST_BYTES, description="The text of the file.")
    environment: dict[str, str] = Field(
        default={},
        max_length=1000,
        description="Values for `os.environ/NAME`; keys are sealed.",
    )
    is_dry_run: bool = Field(default=False, description="Only tell what would be done.")
    allows_missing_keys: bool = Field(
        default=False, description="Take it although variables are missing; providers get their keys later."
    )


class MadeView(View):
    """What was made of a kind, by name."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]

    @classmethod
    def of_outcome(cls, outcome: Outcome[Provider] | Outcome[Route] | Outcome[Limit]) -> Self:
        return cls(
            created=[one.name for one in outcome.created],
            updated=[one.name for one in outcome.updated],
            unchanged=[one.name for one in outcome.unchanged],
        )


class LineView(View):
    """What became of one line of the file."""

    path: str = Field(examples=["model_list[2].litellm_params.rpm"])
    outcome: LineOutcome
    detail: str


class LiteLLMImportedView(View):
    """What was made, and what became of every line."""

    is_dry_run: bool
    environment_needed: list[str] = Field(description="Variables that the file names and nobody gave.")
    providers: MadeView
    routes: MadeView
    limits: MadeView
    lines: list[LineView]

    @classmethod
    def of(cls, settled: Settled, report: Report, needed: Sequence[str], *, is_dry_run: bool) -> Self:
        return cls(
            is_dry_run=is_dry_run,
            environment_needed=list(needed),
            providers=MadeView.of_outcome(settled.providers),
            routes=MadeView.of_outcome(settled.routes),
            limits=MadeView.of_outcome(settled.limits),
            lines=[LineView(path=one.path, outcome=one.outcome, detail=one.detail) for one in report.lines],
        )
