"""Run every check and say all that was found: `python -m scripts.checks`. Exit code 1 when there is something."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.checks import declarations, domain_imports, features, file_length, injected_runtime, pins

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent.parent
_BIN = _ROOT / ".venv" / "bin"
_TYPED = ("libs/common", "cli", "services/*", "scripts", "tests", "benchmarks")

_OWN: tuple[tuple[str, Callable[[Path], list[str]]], ...] = (
    ("file length", file_length.check),
    ("injected clock, randomness and ids", injected_runtime.check),
    ("imports of domain/", domain_imports.check),
    ("declarations for the compiler", declarations.check),
    ("pins", pins.check),
    ("docs/features.md", features.check),
)


def _tools() -> list[tuple[str, list[str]]]:
    typed = [str(path) for pattern in _TYPED for path in sorted(_ROOT.glob(pattern)) if any(path.rglob("*.py"))]
    return [
        ("ruff check", ["ruff", "check", "--quiet", "."]),
        ("ruff format", ["ruff", "format", "--quiet", "--check", "--diff", "."]),
        ("mypy", ["mypy", "--no-error-summary", *typed]),
        ("import-linter", ["lint-imports", "--no-logo"]),
    ]


def main(arguments: Sequence[str]) -> int:
    """Return 0 when everything is clean. With arguments, run only the checks whose name contains one of them."""
    failed = [name for name, check in _OWN if _is_wanted(name, arguments) and not _own(name, check)]
    failed += [name for name, command in _tools() if _is_wanted(name, arguments) and not _tool(name, command)]
    print(f"lint: {', '.join(failed)} found something" if failed else "lint: clean", flush=True)
    return 1 if failed else 0


def _is_wanted(name: str, arguments: Sequence[str]) -> bool:
    return not arguments or any(word in name for word in arguments)


def _own(name: str, check: Callable[[Path], list[str]]) -> bool:
    findings = check(_ROOT)
    for finding in findings:
        print(f"{name}: {finding}")
    return not findings


def _tool(name: str, command: Sequence[str]) -> bool:
    answer = subprocess.run(
        [str(_BIN / command[0]), *command[1:]], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        print(f"{name}:\n{answer.stdout}{answer.stderr}")
    return answer.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
