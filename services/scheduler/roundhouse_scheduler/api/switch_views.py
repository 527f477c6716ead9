"""Switches as REST shows them."""

from pydantic import BaseModel, Field

from roundhouse_common.http import Body, Timestamp
from roundhouse_scheduler.domain.switching import ELSEWHERE, Switch, SwitchState, VictimState

__all__ = ["SwitchStepView", "SwitchToCreate", "SwitchView", "VictimView"]


class SwitchToCreate(Body):
    """Ask for a deployment to be made ready, with others making room where memory is short."""

    deployment_id: str = Field(min_length=1, max_length=64)


class VictimView(BaseModel):
    """A deployment that makes room."""

    deployment_id: str = Field(description="Empty: of another tenant.")
    name: str
    state: VictimState


class SwitchStepView(BaseModel):
    """What happened, and when."""

    at: Timestamp
    state: SwitchState
    detail: str


class SwitchView(BaseModel):
    """One switch with its progress."""

    id: str
    deployment_id: str
    state: SwitchState = Field(
        description="waiting, evicting and starting go on; ready, failed and cancelled are ends."
    )
    detail: str = Field(description="The progress in words.")
    actor: str = Field(description="Who asked: a person, or the scheduler on behalf of a request.")
    began_at: Timestamp
    deadline_at: Timestamp = Field(description="Without room by then it has failed.")
    ended_at: Timestamp | None
    is_cancelling: bool
    victims: list[VictimView]
    steps: list[SwitchStepView]

    @classmethod
    def of(cls, switch: Switch) -> "SwitchView":
        """Return the view of a switch."""
        return cls(
            id=switch.switch_id,
            deployment_id=switch.deployment_id,
            state=switch.state,
            detail=switch.detail,
            actor=switch.actor,
            began_at=switch.began_at,
            deadline_at=switch.deadline_at,
            ended_at=switch.ended_at,
            is_cancelling=switch.is_cancelling and switch.is_open,
            victims=[
                VictimView(
                    deployment_id="" if item.name == ELSEWHERE else item.deployment_id,
                    name=item.name,
                    state=item.state,
                )
                for item in switch.victims
            ],
            steps=[SwitchStepView(at=item.at, state=item.state, detail=item.detail) for item in switch.steps],
        )
