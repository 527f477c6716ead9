"""Models are checked whole, and change only when something changes."""

import pytest

from roundhouse_catalog.domain.models import ModelPatch, create_model, revise_model
from roundhouse_catalog.domain.sources import SourceDraft
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import ModelId, UnixTime
from tests.unit.catalog.builders import NOW, a_model, a_model_draft

LATER = UnixTime(NOW + 60)


def test_a_created_model_has_generation_1() -> None:
    model = create_model(a_model_draft(), model_id=ModelId("mdl_1"), tenant_id="ten_default", now=NOW)
    assert (model.generation, model.created_at, model.updated_at) == (1, NOW, NOW)


def test_every_fault_of_a_model_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        a_model(name="no spaces please", kind="chta", source=SourceDraft(kind="path", uri="relative"), memory_bytes=-1)
    assert [fault.field for fault in refused.value.fields] == ["name", "kind", "source.uri", "memory_bytes"]


@pytest.mark.contract("A22")
def test_an_unknown_kind_is_answered_with_the_known_ones_and_the_closest() -> None:
    with pytest.raises(InvalidInput) as refused:
        a_model(kind="embeding")
    [fault] = refused.value.fields
    assert "chat, completion, embedding, rerank, image, speech, transcription" in fault.message
    assert 'Did you mean "embedding"?' in fault.message


def test_the_placeholder_for_unknown_values_is_no_kind() -> None:
    with pytest.raises(InvalidInput):
        a_model(kind="unknown")
    with pytest.raises(InvalidInput):
        a_model(source=SourceDraft(kind="unknown", uri="/x"))


def test_a_change_advances_the_generation_and_the_time() -> None:
    model = revise_model(a_model(is_published=False), ModelPatch(is_published=True), now=LATER)
    assert (model.is_published, model.generation, model.updated_at) == (True, 2, LATER)


def test_a_patch_that_changes_nothing_leaves_the_model_as_it_is() -> None:
    model = a_model()
    assert revise_model(model, ModelPatch(name=model.name), now=LATER) is model


def test_a_patch_is_checked_like_a_new_model() -> None:
    with pytest.raises(InvalidInput) as refused:
        revise_model(a_model(), ModelPatch(source=SourceDraft(kind="path", uri="x")), now=LATER)
    assert [fault.field for fault in refused.value.fields] == ["source.uri"]


def test_the_same_tag_twice_is_kept_once() -> None:
    assert a_model(tags=("small", "demo", "small")).tags == ("small", "demo")
