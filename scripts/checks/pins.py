"""The pins hold no addresses: which index serves them is the machine's business, and hashes make any of them safe."""

import re
from pathlib import Path

__all__ = ["check"]

_ADDRESS = re.compile(r"https?://|file:|--(default-)?index|--extra-index-url|--index-url|--find-links|--trusted-host")
_PIN = re.compile(r"^[A-Za-z0-9][\w.\[\]-]*==\S+")


def check(root: Path) -> list[str]:
    findings = []
    for path in sorted((root / "requirements").iterdir()):
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if _ADDRESS.search(line):
                findings.append(f"{path.relative_to(root)}:{number}: an address or an index option")
        if path.suffix == ".txt":
            for entry in re.split(r"\n(?=\S)", text):
                if _PIN.match(entry) and "--hash=sha256:" not in entry:
                    findings.append(f"{path.relative_to(root)}: {entry.split()[0]} has no hash")
    if (root / "uv.lock").exists():
        findings.append("uv.lock: requirements/ is the one set of pins; delete it")
    return findings
