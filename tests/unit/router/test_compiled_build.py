"""A compiled build is used as a whole, or not at all: only for the very sources and the Python that it was made for."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from roundhouse_common.service.settings import EXIT_BAD_SETTINGS
from roundhouse_router import compiled
from tests.support.tiny_extensions import TinyPackage

Change = Callable[[TinyPackage], object]
_number = 0


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyPackage]:
    """A package of a name of its own with a build; a process cannot take back what it has imported."""
    global _number
    _number += 1
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(compiled, "_verdict", compiled.verdict())
    package = TinyPackage(tmp_path, f"tiny_{_number}")
    package.compile()
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]


def running(package: TinyPackage) -> set[str]:
    """Import it as a program would, and return which kind its modules are of."""
    plain = import_module(f"{package.name}.plain")
    return {plain.one.which(), plain.two.which()}


def decide(package: TinyPackage, **settings: str) -> compiled.Verdict:
    environment = {f"ROUNDHOUSE_ROUTER_{name.upper()}": value for name, value in settings.items()}
    compiled.decide(environment, package.path)
    return compiled.verdict()


def test_a_build_that_fits_is_imported_in_place_of_the_sources(package: TinyPackage) -> None:
    verdict = decide(package)
    assert verdict.is_compiled
    assert running(package) == {"extension"}
    assert import_module(f"{package.name}.plain").__file__ == str(package.path / "plain.py")
    assert import_module(f"{package.name}.one").__file__ == str(package.extension("one"))


UNFIT: dict[str, tuple[Change, str]] = {
    "a source changed": (lambda package: package.source("one").write_text("\n"), "one has changed"),
    "a declaration changed": (
        lambda package: package.source("inner.two").with_suffix(".pxd").write_text("\n"),
        r"inner\.two has changed",
    ),
    "a declaration is gone": (
        lambda package: package.source("one").with_suffix(".pxd").unlink(),
        "a source of one cannot be read",
    ),
    "another Python": (lambda package: package.tell(suffix=".cpython-310-musl.so"), "made for another Python"),
    "an extension is missing": (lambda package: package.extension("one").unlink(), "the extension of one is missing"),
    "no manifest": (lambda package: (package.build / compiled.MANIFEST).unlink(), "there is no build"),
    "half a manifest": (lambda package: (package.build / compiled.MANIFEST).write_text("{"), "cannot be understood"),
    "another manifest": (lambda package: package.tell(modules=None), "cannot be understood"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_build_that_does_not_fit_is_left_aside_whole(package: TinyPackage, case: str) -> None:
    change, words = UNFIT[case]
    change(package)
    with pytest.raises(compiled.Unfit, match=words):
        compiled.read_build(package.build, package.path)
    verdict = decide(package)
    assert not verdict.is_compiled
    assert verdict.is_left_aside == (case != "no manifest")
    if case != "a source changed":
        assert running(package) == {"python"}


def test_what_cannot_be_loaded_leaves_no_trace(package: TinyPackage) -> None:
    """The first of two modules is loaded when the second one turns out to be none."""
    import_module(package.name)
    package.extension("one").write_bytes(b"made for another machine")
    finders = list(sys.meta_path)
    verdict = decide(package)
    assert not verdict.is_compiled
    assert verdict.is_left_aside
    assert "ImportError" in verdict.reason
    assert sys.meta_path == finders
    assert not hasattr(sys.modules[package.name], "inner")
    assert running(package) == {"python"}


def test_what_was_imported_before_is_not_replaced(package: TinyPackage) -> None:
    assert running(package) == {"python"}
    assert f"{package.name}.inner.two was imported before" in decide(package).reason
    assert running(package) == {"python"}


@pytest.mark.parametrize("mode", ["off", "of course"])
def test_a_build_is_not_looked_at_where_it_is_not_wanted(package: TinyPackage, mode: str) -> None:
    verdict = decide(package, compiled=mode)
    assert verdict == compiled.Verdict(False, f"ROUNDHOUSE_ROUTER_COMPILED is {mode}")
    assert running(package) == {"python"}


def test_a_router_that_requires_a_build_does_not_start_without(
    package: TinyPackage, capsys: pytest.CaptureFixture[str]
) -> None:
    package.source("one").write_text("\n")
    with pytest.raises(SystemExit) as exit_info:
        decide(package, compiled="required")
    assert exit_info.value.code == EXIT_BAD_SETTINGS
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ROUNDHOUSE_ROUTER_COMPILED" in said
    assert "one has changed" in said
    assert "scripts/compile" in said


def test_names_of_settings_may_be_written_in_small_letters(package: TinyPackage) -> None:
    compiled.decide({"roundhouse_router_compiled": "off"}, package.path)
    assert not compiled.verdict().is_compiled


def test_a_router_that_requires_a_build_takes_one_that_fits_from_where_it_is(
    package: TinyPackage, tmp_path: Path
) -> None:
    elsewhere = package.build.rename(tmp_path / "elsewhere")
    assert decide(package, compiled="required", compiled_dir=str(elsewhere)).is_compiled
