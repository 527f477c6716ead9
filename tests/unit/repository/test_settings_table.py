"""The document of settings says what the services take."""

from pathlib import Path

from scripts.settings_table import document

_FILE = Path(__file__).resolve().parents[3] / "docs/reference/settings.md"


def test_the_settings_document_is_generated_from_the_code() -> None:
    assert _FILE.read_text(encoding="utf-8") == document(), (
        "run: .venv/bin/python -m scripts.settings_table > docs/reference/settings.md"
    )
