"""What scripts/contracts does."""

import sys
from pathlib import Path

from roundhouse_common.contracts.generate.documents import documents

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Write what differs, or with `--check` only name it and return 1."""
    changed = [name for name, text in documents().items() if _current(name) != text]
    for name in changed:
        print(f"{'differs' if '--check' in arguments else 'written'}: {name}")
        if "--check" not in arguments:
            (_ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (_ROOT / name).write_text(documents()[name], encoding="utf-8")
    return 1 if changed and "--check" in arguments else 0


def _current(name: str) -> str:
    path = _ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
