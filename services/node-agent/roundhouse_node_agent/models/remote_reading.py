"""Reads the headers of a model's files at a source elsewhere, without fetching the weights. A process of its own:

    python -m roundhouse_node_agent.models.remote_reading

reads a RemoteQuestion as JSON from standard input and writes a ModelInspected as JSON to standard output. Secrets come
in neither arguments nor environment.
"""

import signal
import sys
from typing import Final

import msgspec

from roundhouse_common.contracts.models import ModelInspected
from roundhouse_common.model_sources import shown_uri
from roundhouse_common.sizing.readers import Unreadable
from roundhouse_node_agent.models.questions import RemoteQuestion
from roundhouse_node_agent.models.reading import answered, read_tree
from roundhouse_node_agent.models.remote_tree import Budget, RemoteTree
from roundhouse_node_agent.sources.kinds import sources
from roundhouse_node_agent.sources.source import SourceRefused
from roundhouse_node_agent.sources.web import web_client
from roundhouse_node_agent.transfers.paths import main_file
from roundhouse_node_agent.transfers.plan import FetchPlan

__all__ = ["inspect_remote", "main"]

_MOST_MEMORY_BYTES: Final = 4 * 1024**3
"""Of addresses, most of which threads and libraries only reserve."""
_MOST_S: Final = 120


def main() -> int:
    """Write what the model is, or why it cannot be told; return 0 either way."""
    signal.alarm(_MOST_S)  # should the agent be gone
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=RemoteQuestion)
    return answered(lambda: inspect_remote(question, Budget()), most_memory_bytes=_MOST_MEMORY_BYTES)


def inspect_remote(question: RemoteQuestion, budget: Budget) -> ModelInspected:
    """Return what the files at the source say. Never raises what a source may cause."""
    source, options = question.source, question.options
    planner = sources(options).get(source.kind)
    if planner is None:
        return ModelInspected(error=f"a source of the kind {source.kind.value} cannot be read")
    try:
        plan = planner.plan(source)
    except SourceRefused as refused:
        return ModelInspected(error=refused.message)
    found = ModelInspected(revision=plan.revision, total_bytes=_total_bytes(plan), file_count=len(plan.files))
    if plan.revision and plan.revision == question.known_revision:
        return found
    name = main_file(file.path for file in plan.files)
    folder, _, file = name.rpartition("/")
    try:
        with (
            web_client(options) as client,
            RemoteTree(plan.files, what=shown_uri(source), folder=folder, client=client, budget=budget) as tree,
        ):
            return msgspec.structs.replace(found, facts=read_tree(tree, file))
    except (SourceRefused, Unreadable) as error:
        return msgspec.structs.replace(found, error=str(error))


def _total_bytes(plan: FetchPlan) -> int:
    sizes = [file.size for file in plan.files]
    return 0 if any(size < 0 for size in sizes) else sum(sizes)


if __name__ == "__main__":
    sys.exit(main())
