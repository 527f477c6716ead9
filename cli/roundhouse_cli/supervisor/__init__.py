"""The process that keeps a local Roundhouse running: starts, restarts and stops its services.

Standard library only, apart from the clock: it lives as long as the platform does and should cost next to nothing.
It knows nothing of services; the plan that `roundhouse up` writes says what to run and in which order to stop it.
"""
