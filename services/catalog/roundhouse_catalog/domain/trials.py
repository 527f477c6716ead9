"""Trials: the deployment that everybody who sees a model may call without deploying it themselves."""

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.findings import quoted
from roundhouse_catalog.domain.models import Model
from roundhouse_common.contracts.routing import Access

__all__ = ["trial_fault"]


def trial_fault(model: Model, deployment: Deployment) -> str | None:
    """Say why a deployment is no trial of the model; None: it is one."""
    spec = deployment.version.spec
    if spec.model_id != model.model_id:
        return f"{quoted(deployment.name)} runs {quoted(spec.model_name)}; state a deployment of {quoted(model.name)}"
    if deployment.settings.access is Access.PRIVATE:
        return (
            f'{quoted(deployment.name)} has the access "private": only its owner could try it; '
            'give it "tenant" or "public" first'
        )
    return None
