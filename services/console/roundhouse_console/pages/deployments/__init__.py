"""Deployments: all of them, one of them, a new one."""
