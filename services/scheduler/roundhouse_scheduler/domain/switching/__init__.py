"""Switching: idle deployments make room for one that is asked for."""

from roundhouse_scheduler.domain.switching.switch import ELSEWHERE, Switch, SwitchState, SwitchStep, Victim, VictimState

__all__ = ["ELSEWHERE", "Switch", "SwitchState", "SwitchStep", "Victim", "VictimState"]
