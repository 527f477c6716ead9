"""Bodies of the commands in `/placements:dryRun`: what engines would be started with on the nodes they would go to."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from roundhouse_common.contracts.catalog import ModelDefaults, ModelSource, SourceKind
from roundhouse_common.contracts.commands import CommandRendered
from roundhouse_common.http import Body
from roundhouse_scheduler.api.order_bodies import SourceToFetch

__all__ = ["CommandView", "WantedCommand"]

_Text = Annotated[str, Field(max_length=255)]


class WantedCommand(Body):
    """What else a command is rendered from, as the catalog states it of the version."""

    deployment_name: str = Field(min_length=1, max_length=63, description="What the engine answers to.")
    model_name: _Text
    source: SourceToFetch = Field(description="Of the model, also one that is on the nodes anyway.")
    context_length: int = Field(default=0, ge=0, le=2**40, description="Tokens the model was made for; 0: not known.")
    architecture: _Text = Field(default="", description="As the model's files say it; some engines need its parsers.")
    chat_template: str = Field(default="", max_length=1_000_000, description="The one that the model's owner set.")

    @property
    def model_source(self) -> ModelSource:
        return ModelSource(
            kind=SourceKind(self.source.kind),
            uri=self.source.uri,
            revision=self.source.revision,
            patterns=tuple(self.source.patterns),
            sha256=self.source.sha256,
        )

    @property
    def defaults(self) -> ModelDefaults | None:
        return ModelDefaults(chat_template=self.chat_template) if self.chat_template else None


class CommandView(BaseModel):
    """What the node would start. `REPLICA` stands for the replica's id, `MODEL_FILES` and `ENGINE` for what the node
    does not have yet; `port` is an example: each start picks a free one."""

    argv: list[str] = Field(description="Empty where there is no command: see `error`.")
    environment: dict[str, str] = Field(description="Beside the node's own PATH and the like; secrets are masked.")
    files: dict[str, str] = Field(description="What is written for the engine before its start: contents by path.")
    runs_in: str = Field(description="Where the engine is on the node: an environment, a program or an image.")
    engine_version: str = Field(description="Empty when the engine does not state one, or is yet to be installed.")
    port: int
    has_files: bool
    has_engine: bool
    error: str = Field(description="Why it could not be started there, or why the node could not be asked.")

    @classmethod
    def of(cls, told: CommandRendered) -> Self:
        return cls(
            argv=list(told.argv),
            environment=told.environment,
            files=told.files,
            runs_in=told.runs_in,
            engine_version=told.engine_version,
            port=told.port,
            has_files=told.has_files,
            has_engine=told.has_engine,
            error=told.error,
        )
