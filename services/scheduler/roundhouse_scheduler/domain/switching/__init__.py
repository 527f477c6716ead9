"""Switching: idle deployments make room for one that is asked for."""

from roundhouse_scheduler.domain.switching.switch import Switch, SwitchState, SwitchStep, Victim, VictimState

__all__ = ["Switch", "SwitchState", "SwitchStep", "Victim", "VictimState"]
