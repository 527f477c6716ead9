"""How long the catalog waits for what a node reads in files."""

from typing import Any

import pytest

from roundhouse_catalog.bus.questions import Questions
from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.models import ModelInspected


class Asked:
    """A bus that only notes how long an answer may take."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    async def request(self, _contract: Any, _question: Any, *_ids: str, timeout_s: float) -> ModelInspected:
        self.timeouts.append(timeout_s)
        return ModelInspected()


@pytest.mark.parametrize("kind", [kind for kind in SourceKind if kind is not SourceKind.UNKNOWN])
async def test_files_elsewhere_may_take_longer(kind: SourceKind) -> None:
    bus = Asked()
    await Questions(bus).inspect(ModelSource(kind=kind, uri="x"))  # type: ignore[arg-type]  # the part that is used
    is_here = kind in {SourceKind.PATH, SourceKind.PYTHON_PACKAGE}
    assert bus.timeouts == [20.0 if is_here else 40.0]
