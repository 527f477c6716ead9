"""What the playground asks for, how it reads answers, and what it shows of them."""

import json
import shlex
from typing import Any

import pytest

from roundhouse_console.domain.chat_export import code_of, json_of, markdown_of
from roundhouse_console.domain.chatting import (
    Gathering,
    ThinkSplitter,
    body_of,
    is_image,
    messages_of,
    parsed_schema,
    parsed_tools,
)
from roundhouse_console.domain.conversations import (
    Answer,
    Call,
    Conversation,
    Figures,
    Model,
    Reply,
    Sampling,
    Step,
    Turn,
    next_column_id,
    next_turn_id,
    title_of,
)
from roundhouse_console.domain.playground import (
    figures_text,
    folders_of,
    items_of,
    readiness_of,
    ready_first,
    stops_of,
)
from roundhouse_console.domain.words import translated
from roundhouse_console.kit.chat import markdown_html


def plain(text: str, **values: object) -> str:
    return translated(text, "en", {}, **values)


def meaning(code: str) -> str:
    """Stand for the title of a code, as a language that is not the services' has it."""
    return f"[{code}]" if code == "upstream_error" else ""


def said(text: str, **more: Any) -> Reply:
    return Reply(versions=[Answer(model="smol", steps=[Step(text=text)], **more)])


def talk(*turns: Turn, **sampling: Any) -> Conversation:
    models = [Model(id="c0", name="smol"), Model(id="c1", name="big")]
    return Conversation(models=models, turns=list(turns), sampling=Sampling(**sampling))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_reasoning_is_told_from_the_answer_however_the_stream_is_cut(size: int) -> None:
    text = "\n<think>5 < 7 and </thin is no end</think>\n\nSeven, <think>not</think>."
    splitter = ThinkSplitter()
    pieces = [splitter.feed(text[start : start + size]) for start in range(0, len(text), size)]
    pieces.append(splitter.rest())
    assert "".join(one for one, _ in pieces) == "5 < 7 and </thin is no end"
    assert "".join(one for _, one in pieces).strip() == "Seven, <think>not</think>."


@pytest.mark.parametrize("text", ["<b", " <", "plain", "<thinker>", ""])
def test_what_only_looks_like_reasoning_is_the_answer(text: str) -> None:
    splitter = ThinkSplitter()
    found = [splitter.feed(one) for one in text] + [splitter.rest()]
    assert ("".join(one for one, _ in found), "".join(one for _, one in found)) == ("", text)


def gathered(*chunks: dict[str, Any]) -> Gathering:
    made = Gathering()
    for chunk in chunks:
        made.take(chunk)
    made.end()
    return made


def test_a_stream_becomes_a_step_with_usage() -> None:
    found = gathered(
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"delta": {"reasoning_content": "Hm."}}]},
        {"choices": [{"delta": {"content": "A force"}}]},
        {"choices": [{"delta": {}, "finish_reason": "length"}]},
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    )
    assert (found.step.reasoning, found.step.text, found.finish) == ("Hm.", "A force", "length")
    assert (found.input_tokens, found.output_tokens) == (7, 2)


def test_calls_of_tools_are_put_together_from_their_pieces() -> None:
    def piece(**function: str) -> dict[str, Any]:
        return {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "call_1", "function": function}]}}]}

    found = gathered(piece(name="weather"), piece(arguments='{"city":'), piece(arguments='"Bern"}'))
    assert [(one.id, one.name, one.arguments, one.result) for one in found.step.calls] == [
        ("call_1", "weather", '{"city":"Bern"}', None)
    ]


def test_an_error_in_the_stream_keeps_what_came_before() -> None:
    found = gathered(
        {"choices": [{"delta": {"content": "Half"}}]},
        {"error": {"message": "The engine died.", "code": "upstream_error"}},
    )
    assert (found.step.text, found.trouble, found.trouble_code) == ("Half", "The engine died.", "upstream_error")


def test_the_request_has_the_history_of_its_own_column_and_what_is_set_only() -> None:
    first = Turn(id="t1", text="One?", replies={"c0": said("1"), "c1": said("Uno")})
    second = Turn(id="t2", text="Two?", images=["data:image/png;base64,AA"])
    found = body_of(
        talk(first, second, system="Be short.", seed=7, stop=["\n"]), "c1", "big", second, Answer(model="big")
    )
    assert found == {
        "model": "big",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Uno"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Two?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                ],
            },
        ],
        "seed": 7,
        "stop": ["\n"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_column_that_came_later_goes_on_from_what_the_first_one_said() -> None:
    first = Turn(id="t1", text="One?", replies={"c0": said("1")})
    assert [one["content"] for one in messages_of(talk(first), "c1")] == ["One?", "1"]


def test_results_of_tools_go_back_to_the_model() -> None:
    step = Step(calls=[Call(id="a", name="weather", arguments="{}", result="sunny")])
    turn = Turn(id="t1", text="Weather?", replies={})
    found = messages_of(talk(turn), "c0", turn, Answer(model="smol", steps=[step, Step()]))
    assert [one["role"] for one in found] == ["user", "assistant", "tool"]
    assert found[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": "{}"}
    assert found[2] == {"role": "tool", "tool_call_id": "a", "content": "sunny"}


def test_schema_and_tools_are_checked_before_anything_is_asked() -> None:
    assert parsed_schema(" ") is None
    assert parsed_tools('{"name": "f"}') == [{"type": "function", "function": {"name": "f"}}]
    for text in ("{", "[]", '"x"'):
        with pytest.raises(ValueError, match="JSON"):
            parsed_schema(text)
    for text in ("{", "[1]", '[{"function": {}}]'):
        with pytest.raises(ValueError, match=r"tool|JSON"):
            parsed_tools(text)
    with pytest.raises(ValueError, match="4"):
        stops_of("a\nb\nc\nd\ne")
    assert stops_of("\\n\n\nEND") == ["\n", "END"]


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("data:image/png;base64,AAAA", True),
        ("data:image/svg+xml;base64,AAAA", False),
        ("data:text/html;base64,AAAA", False),
        ("https://elsewhere.example/x.png", False),
        ("data:image/png;base64," + "A" * 1_000_000, False),
        (None, False),
    ],
)
def test_images_are_small_pictures_and_nothing_else(given: object, is_taken: bool) -> None:
    assert is_image(given) is is_taken


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://elsewhere.example/x.png)",
        "<style>body{display:none}</style>",
        "<div style='position:fixed'>x</div>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,AAAA)",
        "<a href='javascript:alert(1)'>x</a>",
    ],
)
def test_nothing_of_an_answer_becomes_markup_that_runs_or_loads(text: str) -> None:
    html = markdown_html(text)
    assert html is not None
    for bad in ("<script", "<img", "<style", "<div", 'href="javascript', 'href="data:'):
        assert bad not in html


def test_markdown_is_rendered_and_what_is_too_long_is_not() -> None:
    html = markdown_html("**Bold** and\n\n```\na < b\n```")
    assert html is not None
    assert "<strong>Bold</strong>" in html
    assert "a &lt; b" in html
    assert markdown_html("x" * 100_000) is None


def shown(conversation: Conversation, *, most: int = 10, stamps: dict[str, str] | None = None) -> tuple[list[Any], int]:
    return items_of(
        conversation, "c0", stamps=stamps or {}, most=most, html=lambda text: f"<p>{text}", t=plain, title=meaning
    )


def test_only_the_newest_show_and_how_many_there_were_before() -> None:
    turns = [Turn(id=f"t{number}", text=str(number), replies={"c0": said("a")}) for number in range(1, 6)]
    items, earlier = shown(talk(*turns), most=2)
    assert [one["text"] for one in items] == ["4", "a", "5", "a"]
    assert earlier == 3
    assert [one["hasLater"] for one in items[::2]] == [True, False]


def test_what_is_being_written_is_text_and_has_no_figures_yet() -> None:
    reply = said("half", figures=Figures(input_tokens=1, output_tokens=1))
    conversation = talk(Turn(id="t1", text="?", replies={"c0": reply}))
    writing = shown(conversation, stamps={"t1": "s"})[0][1]
    done = shown(conversation)[0][1]
    assert (writing["stamp"], writing["parts"][0]["html"], writing["figures"]) == ("s", None, "")
    assert (done["parts"][0]["html"], done["figures"]) == ("<p>half", "1 + 1 tokens")


def test_an_error_begins_with_what_its_code_means() -> None:
    reply = Reply(versions=[Answer(model="smol", trouble="It broke.", trouble_code="upstream_error")])
    item = shown(talk(Turn(id="t1", text="?", replies={"c0": reply})))[0][1]
    assert item["trouble"] == "[upstream_error]\nIt broke."


def test_an_error_says_what_to_do() -> None:
    reply = Reply(versions=[Answer(model="smol", trouble="Over the limit.", trouble_code="rate_limit_exceeded")])
    item = shown(talk(Turn(id="t1", text="?", replies={"c0": reply})))[0][1]
    assert item["trouble"].startswith("Over the limit.\nA limit of the key")


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        (Figures(), ""),
        (
            Figures(first_s=0.25, writing_s=2.0, input_tokens=9, output_tokens=21, cost_nano=1_500, currency="USD"),
            "first token 0.25 s · 10 tokens/s · 9 + 21 tokens · cost 0.0000015 USD",
        ),
        (
            Figures(first_s=1.0, input_tokens=1, output_tokens=1, is_metered=True),
            "first token 1 s · 1 + 1 tokens · cost: no price",
        ),
    ],
)
def test_figures_are_those_that_are_known(figures: Figures, text: str) -> None:
    assert figures_text(figures, plain) == text


def test_ids_are_not_used_twice() -> None:
    conversation = talk(Turn(id="t4", text="?", replies={"c7": said("x")}))
    assert (next_turn_id(conversation), next_column_id(conversation)) == ("t5", "c2")
    conversation.models.append(Model(id="c2", name="x"))
    assert next_column_id(conversation) == "c3"


def test_titles_and_folders() -> None:
    assert title_of(talk(Turn(id="t1", text="  What\nis \0 it? "))) == "What is it?"
    assert len(title_of(talk(Turn(id="t1", text="word " * 50)))) <= 60
    assert folders_of([], str) == []


def test_exports_have_everything_that_was_said() -> None:
    conversation = talk(Turn(id="t1", text="One?", replies={"c0": said("1"), "c1": said("Uno")}), system="Be short.")
    text = markdown_of("Numbers", conversation)
    assert text.startswith("# Numbers\n\n> Be short.")
    assert text.index("One?") < text.index("1\n") < text.index("Uno")
    found = json.loads(json_of("Numbers", conversation))
    assert [one["messages"][-1]["content"] for one in found["conversations"]] == ["1", "Uno"]


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_code_asks_the_same_and_has_no_key_and_no_image(language: str) -> None:
    turn = Turn(id="t1", text='It\'s "one"?', images=["data:image/png;base64,AAAA"], replies={"c0": said("1")})
    code = code_of(language, "https://models.example", talk(turn, temperature=0.5), "c0", "smol")
    assert "https://models.example/v1" in code
    assert "YOUR_API_KEY" in code
    assert "AAAA" not in code
    if language == "python":
        compile(code, "example", "exec")
    if language == "curl":
        body = shlex.split(code)[-1]
        assert json.loads(body)["messages"][0]["content"][0]["text"] == 'It\'s "one"?'


def status(name: str, ready: int, *, sleeps: bool = False) -> dict[str, Any]:
    return {"name": name, "replicas_ready": ready, "is_sleeping": sleeps}


def test_the_playground_begins_with_a_model_that_can_answer() -> None:
    ready = readiness_of([status("a-broken", 0), status("b-asleep", 0, sleeps=True), status("d-ready", 1)])
    offered = ready_first(["a-broken", "b-asleep", "c-of-a-provider", "d-ready"], ready)
    assert offered == ["d-ready", "c-of-a-provider", "b-asleep", "a-broken"]


def test_models_of_which_nothing_is_known_keep_their_order() -> None:
    assert ready_first(["a", "b"], {}) == ["a", "b"]
