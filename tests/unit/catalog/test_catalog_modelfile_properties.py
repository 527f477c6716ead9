"""Whatever a model sets, its Modelfile says; whatever text comes, reading it ends in a model or in words."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from roundhouse_catalog.domain.modelfile import read_modelfile
from roundhouse_catalog.domain.own_models import files_of, write_modelfile
from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.errors import Conflict, InvalidInput
from tests.unit.catalog.builders import a_model

WORDS = st.text(alphabet="ab \"\n\t#'{}%é", min_size=1).filter(str.strip)
DEFAULTS = st.builds(
    lambda system, stops, numbers: ModelDefaults(
        system_message=system, parameters={**numbers, **({"stop": tuple(stops)} if stops else {})}
    ),
    st.just("") | WORDS,
    st.lists(WORDS, max_size=3),
    st.fixed_dictionaries(
        {}, optional={"temperature": st.floats(0, 2), "top_k": st.integers(-1, 99), "max_tokens": st.integers(1, 99)}
    ),
)


@given(defaults=DEFAULTS)
def test_what_is_written_is_read_as_it_was(defaults: ModelDefaults) -> None:
    model = a_model(defaults=defaults)
    try:
        written = write_modelfile(model)
    except Conflict:
        assert '"""' in f"{defaults.system_message}{defaults.parameters.get('stop', ())}"
        return
    assert read_modelfile(written).defaults == defaults


@given(text=st.text(alphabet='FROMSYTEPARAMETERstop "#\n\r\té{}/.:', max_size=200))
def test_every_text_is_a_model_or_is_refused_in_words(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        files_of(read_modelfile(text).base)
