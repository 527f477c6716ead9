"""Gangs: replicas that span several nodes. One row per member; rank 0 is the replica that everybody else sees."""

from roundhouse_scheduler.domain.gangs.form import form_gangs
from roundhouse_scheduler.domain.gangs.place import place_gangs
from roundhouse_scheduler.domain.gangs.tend import tend_gangs

__all__ = ["form_gangs", "place_gangs", "tend_gangs"]
