"""Models of one's own: made of a Modelfile, and written as one."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from roundhouse_catalog.domain.errors import ModelfileUnwritable
from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.modelfile import Modelfile
from roundhouse_catalog.domain.models import Model, ModelDraft, ModelPatch, copy_model, create_model, revise_model
from roundhouse_catalog.domain.sources import SourceDraft, is_upload_id
from roundhouse_catalog.domain.versions import ModelChoice
from roundhouse_common.contracts.catalog import ModelDefaults, ModelKind, ModelSource, SourceKind
from roundhouse_common.model_sources import shown_uri
from roundhouse_common.runtime import ModelId, UnixTime

__all__ = ["files_of", "make_model", "make_variant", "write_modelfile"]

_REPOSITORY: Final = re.compile(
    r"(?:https?://)?(?P<hub>hf\.co/|huggingface\.co/|modelscope\.cn/|hf:|ms:)"
    r"(?P<name>[^/:@\s]+/[^/:@\s]+)(?::(?P<quantization>[A-Za-z0-9._-]+))?(?:@(?P<revision>\S+))?"
)
_HUBS: Final[Mapping[str, SourceKind]] = {
    "hf.co/": SourceKind.HUGGING_FACE,
    "huggingface.co/": SourceKind.HUGGING_FACE,
    "hf:": SourceKind.HUGGING_FACE,
    "modelscope.cn/": SourceKind.MODEL_SCOPE,
    "ms:": SourceKind.MODEL_SCOPE,
}
_PREFIXES: Final[Mapping[SourceKind, str]] = {
    SourceKind.HUGGING_FACE: "hf:",
    SourceKind.MODEL_SCOPE: "ms:",
    SourceKind.PYTHON_PACKAGE: "pkg:",
    SourceKind.PATH: "",
    SourceKind.HTTP: "",
    SourceKind.UPLOAD: "",
}
_QUANTIZATION: Final = re.compile(r"\*([A-Za-z0-9._-]+)\*\.gguf")
_OLLAMAS: Final = {"repetition_penalty": "repeat_penalty", "max_tokens": "num_predict"}
_FORMS: Final = (
    "FROM takes the name of a model here, an absolute path on the nodes, hf.co/OWNER/NAME or modelscope.cn/OWNER/NAME "
    "with :QUANTIZATION or @REVISION after it, the address of a file, pkg:PACKAGE/FILE, or the id of an upload"
)


def files_of(base: str) -> SourceDraft | None:
    """Return the files that FROM names, or None when it can only be the name of a model. Raises InvalidInput."""
    found = _REPOSITORY.fullmatch(base)
    if found is not None:
        quantization = found["quantization"]
        return SourceDraft(
            kind=_HUBS[found["hub"]].value,
            uri=found["name"],
            revision=found["revision"] or "",
            patterns=(f"*{quantization}*.gguf",) if quantization else (),
        )
    if base.startswith(("http://", "https://")):
        return SourceDraft(kind=SourceKind.HTTP.value, uri=base)
    if base.startswith("pkg:"):
        return SourceDraft(kind=SourceKind.PYTHON_PACKAGE.value, uri=base.removeprefix("pkg:"))
    if is_upload_id(base):
        return SourceDraft(kind=SourceKind.UPLOAD.value, uri=base)
    if base.startswith("/"):
        return SourceDraft(kind=SourceKind.PATH.value, uri=base)
    if base.startswith((".", "~")) or base.endswith(".gguf"):
        _refuse(
            f"FROM {quoted(base)} is a path on your own machine. Upload the file, or bring it to the nodes; {_FORMS}"
        )
    return None


def make_model(
    modelfile: Modelfile,
    source: SourceDraft,
    *,
    name: str,
    kind: str | None,
    is_published: bool,
    model_id: ModelId,
    tenant_id: str,
    now: UnixTime,
    address: str = "",
) -> Model:
    """Return the model of these files. Raises InvalidInput."""
    draft = ModelDraft(
        name=name,
        kind=kind or ModelKind.CHAT.value,
        source=source,
        licence=modelfile.licence,
        is_published=is_published,
        defaults=modelfile.defaults,
    )
    return create_model(draft, model_id=model_id, tenant_id=tenant_id, now=now, address=address)


def make_variant(
    modelfile: Modelfile,
    base: ModelChoice,
    *,
    name: str,
    kind: str | None,
    is_published: bool,
    model_id: ModelId,
    now: UnixTime,
) -> Model:
    """Return the model that FROM names under another name; what the Modelfile states goes before what it sets.

    Raises InvalidInput, also when there is no such model.
    """
    if not isinstance(base, Model):
        _refuse(
            f"there is no model with the id or name {quoted(base.wanted)}, and models of Ollama's own registry cannot "
            f"be fetched. {_FORMS}"
        )
    assert isinstance(base, Model)
    before, stated = base.defaults or ModelDefaults(), modelfile.defaults
    patch = ModelPatch(
        kind=kind,
        licence=modelfile.licence or None,
        is_published=is_published,
        defaults=ModelDefaults(
            system_message=stated.system_message or before.system_message,
            parameters={**before.parameters, **stated.parameters},
            chat_template=stated.chat_template or before.chat_template,
        ),
    )
    copied = copy_model(base, name, model_id=model_id, now=now)
    return replace(revise_model(copied, patch, now=now), generation=copied.generation)


def write_modelfile(model: Model) -> str:
    """Return the model as a Modelfile that makes the same one here. Raises ModelfileUnwritable."""
    defaults = model.defaults or ModelDefaults()
    written = _from(model.source)
    lines = [f"# The model {model.name}, written by Roundhouse"]
    if written is None:
        lines.append(f"# Its files: {model.source.kind.value} {shown_uri(model.source)}")
    lines.append(f"FROM {written or model.name}")
    if defaults.chat_template:
        lines += ["# The template is Jinja, which Ollama does not read", f"TEMPLATE {_quoted(defaults.chat_template)}"]
    if defaults.system_message:
        lines.append(f"SYSTEM {_quoted(defaults.system_message)}")
    for name, value in defaults.parameters.items():
        several = value if isinstance(value, tuple) else (value,)
        lines += [f"PARAMETER {_OLLAMAS.get(name, name)} {_parameter(one)}" for one in several]
    if model.licence:
        lines.append(f"LICENSE {model.licence}")
    return "\n".join(lines) + "\n"


def _from(source: ModelSource) -> str | None:
    """Return the source as FROM takes it, or None when it says more than that."""
    quantization = ""
    if source.patterns:
        found = _QUANTIZATION.fullmatch(source.patterns[0])
        if found is None or len(source.patterns) > 1:
            return None
        quantization = f":{found[1]}"
    if source.sha256:
        return None
    revision = f"@{source.revision}" if source.revision else ""
    return f"{_PREFIXES[source.kind]}{shown_uri(source)}{quantization}{revision}"


def _parameter(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    """Return the text in the quotes that bring it back as it is."""
    if '"' not in text and "\n" not in text and "\r" not in text:
        return f'"{text}"'
    if '"""' in text or "\r" in text:
        raise ModelfileUnwritable(text)
    return f'"""{text}"""'


def _refuse(message: str) -> None:
    findings = Findings()
    findings.add("modelfile", message)
    findings.refuse()
