"""What may be cleaned up: nothing that is in use, wanted, elsewhere, or too young."""

from typing import Any

import pytest

from roundhouse_common.contracts.catalog import ModelSource, SourceKind
from roundhouse_common.contracts.provisioning import CleanStore, FilesState, StoredModel
from roundhouse_node_agent.models.cleaning import cleanable

NOW = 10_000.0
HUB = ModelSource(kind=SourceKind.HUGGING_FACE, uri="acme/tiny")
PATH = ModelSource(kind=SourceKind.PATH, uri="/models/tiny")


def a_model(key: str = "k", **changes: Any) -> StoredModel:
    return StoredModel(
        **{"key": key, "name": key, "source": HUB, "state": FilesState.READY, "since": 1_000.0, **changes}
    )


def keys(*models: StoredModel, **query: Any) -> list[str]:
    return [model.key for model in cleanable(models, CleanStore(**query), NOW)]


@pytest.mark.contract("A10")
@pytest.mark.parametrize(
    ("changes", "is_cleaned"),
    [
        ({}, True),
        ({"is_in_use": True}, False),
        ({"is_adopted": True}, False),
        ({"source": PATH}, False),
        ({"state": FilesState.FETCHING}, False),
        ({"state": FilesState.WAITING}, False),
        ({"state": FilesState.PAUSED}, True),
        ({"state": FilesState.FAILED}, True),
    ],
)
def test_what_stands_still_and_is_not_in_use_may_go(changes: dict[str, Any], is_cleaned: bool) -> None:
    assert keys(a_model(**changes)) == (["k"] if is_cleaned else [])


@pytest.mark.parametrize(
    ("changes", "unused_for_s", "is_cleaned"),
    [
        ({}, 9_000.0, True),
        ({}, 9_000.1, False),
        ({"used_at": 9_990.0}, 10.0, True),
        ({"used_at": 9_990.0}, 11.0, False),
        ({"used_at": 500.0}, 9_000.1, False),
    ],
)
def test_age_counts_from_the_last_use_or_from_when_it_came(
    changes: dict[str, Any], unused_for_s: float, is_cleaned: bool
) -> None:
    assert keys(a_model(**changes), unused_for_s=unused_for_s) == (["k"] if is_cleaned else [])


def test_with_keys_only_these_are_meant_and_still_nothing_in_use() -> None:
    models = (a_model("c"), a_model("a"), a_model("b", is_in_use=True))
    assert keys(*models) == ["a", "c"]
    assert keys(*models, keys=("b", "c")) == ["c"]
