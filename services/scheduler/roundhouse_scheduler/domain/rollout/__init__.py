"""How many replicas of which version: create what lacks, drain what is too many, take one version over to the next.

`census` says which replicas are which, `moves` what to create and what to drain, `progress` how far it is and when it
has failed, `scale` does it.
"""

from roundhouse_scheduler.domain.rollout.picking import pick_to_drain
from roundhouse_scheduler.domain.rollout.scale import scale_deployments

__all__ = ["pick_to_drain", "scale_deployments"]
