"""`scripts/compile` puts a whole build in place, or leaves everything as it was. Cython is played by a few lines."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from scripts import _compile
from scripts._compile import CompileError, Tools, compile_into, modules_of, remove

from roundhouse_router.compiled import Unfit, fingerprint, read_build
from tests.support.tiny_extensions import TinyPackage, c_source, this_compiler

_CYTHON = """
import sys
from pathlib import Path
module, c_file, source = sys.argv[2], sys.argv[4], Path(sys.argv[5])
Path(__file__).with_name("made").open("a").write(module + "\\n")
Path(c_file).write_text("this is no C" if "broken" in source.read_text() else {c_source!r}.replace("NAME", source.stem))
"""


@pytest.fixture
def package(tmp_path: Path) -> TinyPackage:
    return TinyPackage(tmp_path, "tiny")


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    program = tmp_path / "cython.py"
    program.write_text(_CYTHON.format(c_source=c_source("NAME")))
    return Tools((sys.executable, str(program)), "3", this_compiler())


def made(tmp_path: Path) -> set[str]:
    """Return what was compiled since the last look."""
    log = tmp_path / "made"
    found = set(log.read_text().split()) if log.exists() else set()
    log.unlink(missing_ok=True)
    return found


def test_a_build_fits_what_it_was_made_from(package: TinyPackage, tools: Tools, tmp_path: Path) -> None:
    assert compile_into(package.build, package.path, tools)
    build = read_build(package.build, package.path)
    assert set(build.extensions) == {"tiny.one", "tiny.inner.two"}
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(build.extensions['tiny.one'].parent)!r}); "
         "import one; print(one.which())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout == "extension\n"
    assert not any(path.suffix == ".c" for path in package.path.rglob("*"))


def test_where_a_build_goes_may_be_said_from_where_one_stands(
    package: TinyPackage, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compile_into(Path("some", "where"), package.path, tools)
    assert set(read_build(tmp_path / "some" / "where", package.path).extensions) == {"tiny.one", "tiny.inner.two"}


def test_only_what_changed_is_made_again(package: TinyPackage, tools: Tools, tmp_path: Path) -> None:
    assert compile_into(package.build, package.path, tools)
    assert made(tmp_path) == {"tiny.one", "tiny.inner.two"}
    assert not compile_into(package.build, package.path, tools)
    assert made(tmp_path) == set()
    package.source("one").write_text("# other words\n")
    assert compile_into(package.build, package.path, tools)
    assert made(tmp_path) == {"tiny.one"}
    package.source("one").with_suffix(".pxd").write_text("# how others see it\n")
    assert compile_into(package.build, package.path, tools)
    assert made(tmp_path) == {"tiny.one"}
    assert compile_into(package.build, package.path, Tools(tools.cython, "4", tools.c))
    assert made(tmp_path) == {"tiny.one", "tiny.inner.two"}
    read_build(package.build, package.path).extensions["tiny.one"].unlink()
    assert compile_into(package.build, package.path, Tools(tools.cython, "4", tools.c))
    assert made(tmp_path) == {"tiny.one"}
    assert read_build(package.build, package.path)


def test_what_leads_to_a_declaration_that_changed_is_made_again(
    package: TinyPackage, tools: Tools, tmp_path: Path
) -> None:
    """`one` leads to `inner.two` by way of `between`, and `apart` does not."""
    declarations = {
        "one": "# from what is compiled in its place",
        "between": "cimport cython\nfrom tiny.inner cimport one, two as other",
        "apart": "# from tiny.inner.two",
    }
    for module, text in declarations.items():
        package.source(module).write_text("\n")
        package.source(module).with_suffix(".pxd").write_text(text)
    package.source("one").with_suffix(".pyx").write_text("from tiny.between cimport Between")
    compile_into(package.build, package.path, tools)
    made(tmp_path)
    package.source("inner.two").with_suffix(".pxd").write_text("# another layout\n")
    assert compile_into(package.build, package.path, tools)
    assert made(tmp_path) == {"tiny.one", "tiny.between", "tiny.inner.two"}
    assert set(read_build(package.build, package.path).extensions) == {
        "tiny.one", "tiny.between", "tiny.inner.two", "tiny.apart"
    }  # fmt: skip


def test_what_cannot_be_said_in_python_is_compiled_in_its_place_and_counts_as_its_source(
    package: TinyPackage, tools: Tools, tmp_path: Path
) -> None:
    package.source("one").write_text("broken, if anybody compiled it")
    own = package.source("one").with_suffix(".pyx")
    own.write_text("# the same in Cython\n")
    assert compile_into(package.build, package.path, tools)
    assert read_build(package.build, package.path).sources["tiny.one"].suffix == ".py"
    made(tmp_path)
    own.write_text("# and otherwise\n")
    with pytest.raises(Unfit, match="one has changed"):
        read_build(package.build, package.path)
    assert compile_into(package.build, package.path, tools)
    assert made(tmp_path) == {"tiny.one"}
    own.unlink()
    with pytest.raises(Unfit, match="one has changed"):
        read_build(package.build, package.path)


def test_what_does_not_compile_leaves_the_former_build(package: TinyPackage, tools: Tools) -> None:
    compile_into(package.build, package.path, tools)
    before = {path: path.stat().st_mtime_ns for path in package.build.rglob("*")}
    source = package.source("one").read_text()
    package.source("one").write_text("broken")
    with pytest.raises(CompileError, match="one does not compile"):
        compile_into(package.build, package.path, tools)
    assert {path: path.stat().st_mtime_ns for path in package.build.rglob("*")} == before
    package.source("one").write_text(source)
    assert read_build(package.build, package.path)


def test_what_killed_commands_left_is_cleared_and_what_is_foreign_stays(package: TinyPackage, tools: Tools) -> None:
    for half in ("build-half", ".work-half"):
        (package.build / half).mkdir(parents=True)
    (package.build / "manifest.json.new").write_text("{")
    (package.build / "mine").touch()
    compile_into(package.build, package.path, tools)
    first = read_build(package.build, package.path).extensions["tiny.one"].parent
    assert {path.name for path in package.build.iterdir()} == {"manifest.json", "mine", first.name}
    for words in ("# a", "# b"):
        package.source("one").write_text(words)
        compile_into(package.build, package.path, tools)
    assert not first.exists()
    assert remove(package.build)
    assert {path.name for path in package.build.iterdir()} == {"mine"}
    assert not remove(package.build)


def test_a_build_that_fails_or_is_removed_leaves_no_directory(package: TinyPackage, tools: Tools) -> None:
    compile_into(package.build, package.path, tools)
    assert remove(package.build)
    assert not package.build.exists()
    package.source("one").write_text("broken")
    with pytest.raises(CompileError):
        compile_into(package.build, package.path, tools)
    assert not package.build.exists()


def test_a_declaration_without_its_module_is_named(package: TinyPackage) -> None:
    assert modules_of(package.path) == ["inner.two", "one"]
    (package.path / "shared.pxd").touch()
    with pytest.raises(CompileError, match=r"shared\.pxd stands beside no module"):
        modules_of(package.path)
    (package.path / "shared.pxd").unlink()
    (package.path / "plain.pyx").touch()
    with pytest.raises(CompileError, match=r"plain\.pyx has no \.pxd"):
        modules_of(package.path)


def test_a_machine_without_a_compiler_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "")
    assert _compile.main(["--into", str(tmp_path / "build")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there is no C compiler" in said
    assert "apt install gcc" in said
    assert not (tmp_path / "build").exists()


def test_a_machine_without_pythons_headers_is_told_where_they_were_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    this_compiler()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    assert _compile.main(["--into", str(tmp_path / "build")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(tmp_path / "include" / "Python.h") in said
    assert not (tmp_path / "build").exists()


def test_the_routers_wheel_has_the_declarations_and_no_build(tmp_path: Path) -> None:
    """A build of the very same files fits what is installed from it; machine code stays out of a wheel for all."""
    router = tmp_path / "services" / "router"
    root = Path(__file__).parents[3]
    shutil.copytree(root / "services" / "router", router, ignore=shutil.ignore_patterns("__pycache__", "_compiled"))
    shutil.copy(root / ".gitignore", tmp_path)
    package = router / "roundhouse_router"
    (package / "_compiled" / "build-1").mkdir(parents=True)
    (package / "_compiled" / "manifest.json").write_text("{}")
    (package / "_compiled" / "build-1" / "api.flight.so").touch()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=router, check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    installed = tmp_path / "installed" / package.name
    assert modules_of(installed) == modules_of(package) != []
    assert all(fingerprint(installed, module) == fingerprint(package, module) for module in modules_of(package))
    assert not (installed / "_compiled").exists()
