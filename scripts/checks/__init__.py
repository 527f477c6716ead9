"""The project's own rules. Each module has `check(root) -> list of findings`, one line per finding."""
