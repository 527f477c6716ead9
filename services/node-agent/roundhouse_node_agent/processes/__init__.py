"""Engine processes: the shim that guards each one, what is remembered of them on disk, their logs."""
