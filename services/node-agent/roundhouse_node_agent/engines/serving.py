"""What the drivers of servers share: kinds, parameters, and the settings that the memory need was computed with."""

from collections.abc import Collection

from roundhouse_common.contracts.catalog import EngineKind, ModelKind, VersionSpec
from roundhouse_common.engine_parameters import TABLES
from roundhouse_common.engine_parameters.parsers import family_of, with_parsers
from roundhouse_common.sizing import EngineSettings, settings_of

__all__ = [
    "TEXT_KINDS",
    "VECTOR_KINDS",
    "own_template",
    "parallel_of",
    "parameter_fault",
    "settings_of_version",
    "stated_parameters",
    "template_fault",
]

TEXT_KINDS = frozenset({ModelKind.CHAT, ModelKind.COMPLETION})
VECTOR_KINDS = frozenset({ModelKind.EMBEDDING, ModelKind.RERANK})
_TEMPLATE_FILE = "chat_template_file"


def parameter_fault(engine: EngineKind, version: VersionSpec, kinds: Collection[ModelKind]) -> str | None:
    """Return the first thing that is wrong with what the version states, or None."""
    if version.model_kind not in kinds:
        return f"{engine.value} does not serve models of kind {version.model_kind.value}"
    table = TABLES[engine]
    for name, value in version.parameters.items():
        fault = table.fault(engine.value, name, value)
        if fault is not None:
            return f"parameter {name}: {fault}" if name in table.parameters else fault
    return None if _TEMPLATE_FILE in table.parameters else template_fault(engine, version)


def own_template(version: VersionSpec) -> str:
    """Return the chat template that the model's owner set in place of the one in its files; empty for none.

    A version that names a file on the node, and a model that no chat is held with, have no use for it.
    """
    if version.defaults is None or version.model_kind not in TEXT_KINDS or _TEMPLATE_FILE in version.parameters:
        return ""
    return version.defaults.chat_template


def template_fault(engine: EngineKind, version: VersionSpec) -> str | None:
    """Return why an engine that takes no chat template cannot run the version, or None."""
    if not own_template(version):
        return None
    able = ", ".join(sorted(kind for kind, table in TABLES.items() if _TEMPLATE_FILE in table.parameters))
    return (
        f"{engine.value} knows no chat template but the one in the model's files, and this model was given one of its "
        f"own; take it away from the model's defaults, or run it with llama.cpp, {able}"
    )


def settings_of_version(engine: EngineKind, version: VersionSpec) -> EngineSettings:
    """Return what the memory need was computed with, so that the engine is started with the same."""
    return settings_of(engine, version.parameters, context_length=version.context_length, model_kind=version.model_kind)


def parallel_of(engine: EngineKind, version: VersionSpec) -> tuple[int, int]:
    """Return tensor and pipeline parallelism: without being told, over the devices of a node and over the nodes."""
    settings = settings_of_version(engine, version)
    tensor = settings.tensor_parallel or max(1, version.resources.device_count)
    return tensor, settings.pipeline_parallel or version.resources.node_count


def stated_parameters(engine: EngineKind, version: VersionSpec) -> dict[str, str]:
    """Return the neutral parameters to render: what the memory need was computed with, and over it what is stated.

    Parsers are named as the engine knows them, or not at all.
    """
    settings = settings_of_version(engine, version)
    tensor, pipeline = parallel_of(engine, version)
    family = family_of((version.source.uri, version.model_name), version.architecture)
    given = {
        "context": str(settings.context_tokens),
        "parallel": str(settings.concurrency),
        "batch": str(settings.batch_tokens),
        **({"tensor_parallel": str(tensor)} if tensor > 1 else {}),
        **({"pipeline_parallel": str(pipeline)} if pipeline > 1 else {}),
        **version.parameters,
    }
    return with_parsers(engine, given, family=family)
