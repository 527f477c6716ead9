"""Modelfiles are read as Ollama reads them; what has no place in a model is refused, or told in a note."""

import pytest

from roundhouse_catalog.domain.go_templates import jinja_of
from roundhouse_catalog.domain.modelfile import Modelfile, read_modelfile
from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.errors import InvalidInput

MARIO = """\
# comments and blank lines are nothing

FROM llama3.2
# sets the temperature to 1
PARAMETER temperature 1
parameter top_k 40
PARAMETER stop "<|im end|>"
PARAMETER stop AI assistant:
SYSTEM You are Mario, "the" plumber.
LICENSE Apache-2.0
"""


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        read_modelfile(text)
    assert {fault.field for fault in refused.value.fields} == {"modelfile"}
    return [fault.message for fault in refused.value.fields]


@pytest.mark.contract("A25")
def test_a_modelfile_is_read() -> None:
    assert read_modelfile(MARIO) == Modelfile(
        base="llama3.2",
        defaults=ModelDefaults(
            system_message='You are Mario, "the" plumber.',
            parameters={"temperature": 1.0, "top_k": 40, "stop": ("<|im end|>", "AI assistant:")},
        ),
        licence="Apache-2.0",
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("SYSTEM plain text  ", "plain text"),
        ("system\ttext", "text"),
        ('SYSTEM "in quotes"', "in quotes"),
        ('SYSTEM "over\ntwo lines"', "over\ntwo lines"),
        ('SYSTEM """one line"""', "one line"),
        ('SYSTEM """\n  first\n\n# no comment\nlast """', "\n  first\n\n# no comment\nlast "),
        ('SYSTEM """say "hi" """', 'say "hi" '),
        ('SYSTEM """ends with a quote""""', 'ends with a quote"'),
        ('SYSTEM says "hi"', 'says "hi"'),
        ("SYSTEM # is no comment here", "# is no comment here"),
        ("SYSTEM a\u2028b", "a\u2028b"),
    ],
)
def test_values_may_be_quoted_and_go_on_over_lines(written: str, read: str) -> None:
    for end in ("\n", "\r\n"):
        text = f"{written}\nFROM /m.gguf".replace("\n", end)
        assert read_modelfile(text).defaults.system_message == read


def test_a_byte_order_mark_is_no_text() -> None:
    assert read_modelfile("\ufeffFROM /m.gguf").base == "/m.gguf"


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("repeat_penalty 1.1", {"repetition_penalty": 1.1}),
        ("num_predict 128", {"max_tokens": 128}),
        ("seed 42", {"seed": 42}),
        ("min_p 0.05", {"min_p": 0.05}),
        ('stop " leading blank"', {"stop": (" leading blank",)}),
    ],
)
def test_parameters_get_the_names_of_the_api(line: str, parameters: dict[str, object]) -> None:
    read = read_modelfile(f"FROM /m.gguf\nPARAMETER {line}")
    assert (read.defaults.parameters, read.notes) == (parameters, ())


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (
            "PARAMETER num_ctx 4096",
            'num_ctx 4096 was not taken: state it of the deployment, as the engine parameter "con',
        ),
        ("PARAMETER num_gpu 99", '"gpu_layers"'),
        ("PARAMETER mirostat 1", "mirostat was not taken: it is of Ollama's own engine"),
        ("PARAMETER num_predict -1", "there is no limit without it"),
        ("PARAMETER seed -1", "a seed of its own"),
        ("RENDERER qwen3-coder", "RENDERER was not taken"),
        ("LICENSE " + "word " * 100, "one SPDX expression"),
    ],
)
def test_what_is_stated_elsewhere_comes_back_as_a_note(line: str, note: str) -> None:
    [told] = read_modelfile(f"FROM /m.gguf\n{line}").notes
    assert told.startswith("line 2: ")
    assert note in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ADAPTER ./lora", "adapters are not supported yet"),
        ("MESSAGE user Is Toronto in Canada?", "write the example into SYSTEM"),
        ("PARAMETER temprature 1", 'Did you mean "temperature"?'),
        ("PARAMETER temperature hot", '"hot" found; a number is wanted'),
        ("PARAMETER top_k 1.5", '"1.5" found; a whole number is wanted'),
        ("PARAMETER temperature", "PARAMETER temperature has no value"),
        ("FROM /other.gguf", "FROM is stated twice"),
        ("SYSTEM", "SYSTEM says nothing"),
        ("FORM x", 'Did you mean "FROM"?'),
        ("you are a pirate", "is no instruction"),
        ("!", '"!" is no instruction; there are FROM'),
        ('SYSTEM """open', "the quotation mark of SYSTEM is never closed"),
        ("TEMPLATE {{ .Prompt }}", "TEMPLATE is a Go template of Ollama, and none of those that are known"),
    ],
)
def test_what_would_make_another_model_is_refused_with_its_line(line: str, told: str) -> None:
    [fault] = faults(f"FROM /m.gguf\n{line}")
    assert fault.startswith("line 2: ")
    assert told in fault


def test_all_faults_are_told_at_once_and_no_more_than_a_few() -> None:
    assert len(faults("ADAPTER a\nMESSAGE user b\nPARAMETER x 1")) == 3
    assert len(faults("ADAPTER a\n" * 100)) == 20
    assert "501 instructions found" in faults("PARAMETER stop x\n" * 501)[0]
    assert "524289 characters found" in faults("x" * 524_289)[0]


def test_a_modelfile_without_from_is_refused() -> None:
    assert faults("SYSTEM x") == ["line 1: there is no FROM; state the files or the model that it is made of"]
    assert faults("") == ["line 1: there is no FROM; state the files or the model that it is made of"]


def test_a_parameter_twice_is_refused_except_stop() -> None:
    [fault] = faults("FROM /m\nPARAMETER top_p 0.1\nPARAMETER top_p 0.2")
    assert fault == "line 3: top_p is stated twice"


CHATML_OLDER = """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
LLAMA3 = """{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- end }}<|start_header_id|>assistant<|end_header_id|>

"""
GEMMA = """{{- $system := "" }}
{{- range .Messages }}
{{- if eq .Role "system" }}
{{- if not $system }}{{ $system = .Content }}
{{- else }}{{ $system = printf "%s\\n\\n%s" $system .Content }}
{{- end }}
{{- continue }}
{{- else if eq .Role "user" }}<start_of_turn>user
{{- if $system }}
{{ $system }}
{{- $system = "" }}
{{- end }}
{{- else if eq .Role "assistant" }}<start_of_turn>model
{{- end }}
{{ .Content }}<end_of_turn>
{{ end }}<start_of_turn>model
"""


@pytest.mark.parametrize(
    ("go", "mark"), [(CHATML_OLDER, "<|im_start|>"), (LLAMA3, "<|start_header_id|>"), (GEMMA, "<start_of_turn>")]
)
def test_known_go_templates_become_jinja(go: str, mark: str) -> None:
    read = read_modelfile(f'FROM /m.gguf\nTEMPLATE """{go}"""')
    template = read.defaults.chat_template
    assert template.count(mark) >= 2
    assert "{% for message in messages %}" in template
    assert "{% if add_generation_prompt %}" in template
    assert ".Role" not in template
    [note] = read.notes
    assert "the Jinja template of the same models was taken" in note


def test_the_jinja_of_chatml_is_the_one_that_its_models_publish() -> None:
    assert jinja_of(CHATML_OLDER) == (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
        "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )


@pytest.mark.parametrize("jinja", ["{% for m in messages %}{{ m.content }}{% endfor %}", "{{ messages[0].content }}"])
def test_jinja_is_taken_as_it_is(jinja: str) -> None:
    assert jinja_of(jinja) == jinja


@pytest.mark.parametrize(
    "go", ["{{ .Prompt }}", "{{ .System }} USER: {{ .Prompt }} ASSISTANT: ", LLAMA3.replace("eot_id", "end")]
)
def test_a_go_template_that_differs_from_the_known_ones_is_none_of_them(go: str) -> None:
    assert jinja_of(go) is None
