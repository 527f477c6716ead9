"""No cell of an export is run as a formula, and prices come back from a file as they went in."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roundhouse_common.contracts.money import Rates
from roundhouse_common.spreadsheets import as_typed, not_computed
from roundhouse_metering.domain.price_books import PriceLine
from roundhouse_metering.domain.price_files import from_csv, to_csv
from tests.support.hostile import FORMULAS, HOSTILE


@pytest.mark.parametrize("text", [*FORMULAS, "\n=1", "＝1+1", "-inf", "+nan", "-1+1", "@", "-"])
def test_what_a_spreadsheet_would_compute_is_a_text(text: str) -> None:
    assert not_computed(text) == f"'{text}"
    assert as_typed(not_computed(text)) == text


@pytest.mark.parametrize("text", ["", "a=1", "-5", "+0.25", "-1e-9", "'tis", "5", "smollm2:135m"])
def test_everything_else_stays(text: str) -> None:
    assert not_computed(text) == as_typed(text) == text


@given(st.text())
@example("'@")
@example("''=1")
@example("'-5")
def test_what_was_quoted_comes_back(text: str) -> None:
    assert as_typed(not_computed(text)) == text
    assert not not_computed(text).startswith(("=", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("model", [*FORMULAS[:4], *HOSTILE["templates"], "'", "''", 'a"b,c'])
def test_a_price_book_s_file_has_no_formula_and_reads_back(model: str) -> None:
    lines = [PriceLine(model=model, rates=Rates(input_per_million=-5))]
    text = to_csv(lines)
    cell = next(csv.DictReader(io.StringIO(text)))["model"]
    assert not cell.startswith(("=", "+", "-", "@"))
    assert from_csv(text) == lines
