"""Dead letters as the console shows them, and the answers of several calls as one."""

from typing import Any

from roundhouse_console.domain.letters import letter_text, subject_words
from roundhouse_console.domain.repricing import Outcome


def a_letter(payload: Any, encoding: str = "json") -> dict[str, Any]:
    return {"payload": payload, "payload_encoding": encoding}


def test_a_payload_is_laid_out_and_bytes_stay_as_they_came() -> None:
    assert letter_text(a_letter({"name": "模型", "n": 1})) == '{\n  "name": "模型",\n  "n": 1\n}'
    assert letter_text(a_letter("AAEC", "base64")) == "AAEC"


def test_a_long_payload_is_cut() -> None:
    shown = letter_text(a_letter("x" * 30_000, "base64"))
    assert len(shown) == 20_001
    assert shown.endswith("…")


def test_a_subject_says_what_it_is_about() -> None:
    assert subject_words("rh.evt.v1.catalog.deployment.changed.dep_1") == "catalog.deployment.changed"
    assert subject_words("other.subject") == "other.subject"


def an_answer(model: str, changed: int, delta: int) -> dict[str, Any]:
    models = [{"model": model, "changed": changed, "became_priced": 1, "delta_nano": delta}] if changed else []
    return {
        "examined": 500,
        "changed": changed,
        "became_priced": 1 if changed else 0,
        "still_unpriced": 2,
        "delta_nano": delta,
        "models": models,
    }


def test_the_calls_of_a_repricing_add_up_and_the_largest_difference_comes_first() -> None:
    found = Outcome()
    for answer in (an_answer("a", 3, 40), an_answer("b", 2, -90), an_answer("a", 1, 5), an_answer("", 0, 0)):
        found.add(answer)
    assert (found.examined, found.changed, found.became_priced, found.still_unpriced) == (2000, 6, 3, 8)
    assert found.delta_nano == -45
    assert found.differences() == [("b", 2, 1, -90), ("a", 4, 2, 45)]
