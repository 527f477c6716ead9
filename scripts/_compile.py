"""What scripts/compile does: make extensions of the router's modules that have a `.pxd` beside them.

    scripts/compile             into services/router/roundhouse_router/_compiled, where the router looks for them
    scripts/compile --into DIR  elsewhere, e.g. for an image (ROUNDHOUSE_ROUTER_COMPILED_DIR=DIR)
    scripts/compile --remove    take the build away again; with --into that one

Cython makes C of each module, with the types of its `.pxd` and none of its annotations, and the C compiler makes the
extension. A module that has a `.pyx` too is made of that. What would turn out as in the last build is taken from
there. The manifest names what a build was made from; it is replaced last and at once, so that whatever happens on the
way the former build stays whole. Exit code 1 with one line on stderr when something is missing or does not compile.
"""

import argparse
import contextlib
import fcntl
import importlib.metadata
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from roundhouse_router.compiled import MANIFEST, PACKAGE, files_of, fingerprint, suffix

__all__ = ["CompileError", "compile_into", "main", "modules_of", "remove", "tools"]

_CYTHON = ("-3", "-X", "annotation_typing=False,nonecheck=True,overflowcheck=True")
"""Types come from the `.pxd` only: an annotation is a promise to people, and Cython would enforce it in its own way.
What would be an exception in Python is one here, too: no crash (an attribute of None), and no wrong number (one that a
machine word does not hold)."""
_C = ("-shared", "-fPIC", "-O2", "-g0", "-fwrapv", "-DNDEBUG", "-w")
_COMPILERS = ("cc", "gcc", "clang")
_CIMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?cimport[ \t]+([^\n#]+)", re.MULTILINE)
_PREFIX = "build-"
_WORK = ".work-"
_ENV = Path(__file__).resolve().parent / "_env"
_LAST_LINES = 15


class CompileError(Exception):
    """There is no build; the text says why and what to do."""


@dataclass(frozen=True)
class Tools:
    """What makes C, and machine code of it."""

    cython: tuple[str, ...]
    cython_version: str
    c: tuple[str, ...]

    def made_by(self) -> dict[str, object]:
        """Return what else decides how an extension turns out."""
        return {"cython": self.cython_version, "options": [*self.cython[1:], *self.c]}


def _say(text: str) -> None:
    print(f"roundhouse: {text}", file=sys.stderr, flush=True)


def c_compiler() -> tuple[str, ...]:
    """Return the command of the C compiler, with where Python's headers are. Raises CompileError."""
    asked = os.environ.get("CC")
    configured = str(sysconfig.get_config_var("CC") or "").split(" ")[0]
    candidates = [*shlex.split(asked)[:1]] if asked else list(dict.fromkeys((configured, *_COMPILERS)))
    found = next((path for name in candidates if name and (path := shutil.which(name))), None)
    if found is None:
        raise CompileError(
            f"there is no C compiler (looked for {', '.join(filter(None, candidates))}); install one (Debian, Ubuntu: "
            "apt install gcc libc6-dev), or go without: the router runs as Python"
        )
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").is_file():
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise CompileError(
            f"Python's headers are not there (looked for {headers / 'Python.h'}); install them (Debian, Ubuntu: "
            f"apt install python{version}-dev), or go without: the router runs as Python"
        )
    return (found, *(shlex.split(asked)[1:] if asked else ()), *_C, f"-I{headers}")


def tools() -> Tools:
    """Return the tools of this machine; Cython is installed when it is not there. Raises CompileError."""
    c = c_compiler()
    if subprocess.run([str(_ENV), "--compile"], check=False).returncode != 0:
        raise CompileError("Cython cannot be installed, see above")
    return Tools((sys.executable, "-m", "cython", *_CYTHON), importlib.metadata.version("cython"), c)


def modules_of(package: Path) -> list[str]:
    """Return the modules to compile, as in `wire.heads`. Raises CompileError for a `.pxd` or `.pyx` of none."""
    found = []
    for path in sorted(package.rglob("*.pyx")):
        if not path.with_suffix(".pxd").is_file():
            raise CompileError(f"{path} has no .pxd beside it, without which no module is compiled; write one")
    for path in sorted(package.rglob("*.pxd")):
        if not path.with_suffix(".py").is_file() or path.stem == "__init__":
            raise CompileError(f"{path} stands beside no module that can be compiled; name it like one, or delete it")
        found.append(".".join(path.relative_to(package).with_suffix("").parts))
    return found


def compile_into(directory: Path, package: Path, tools: Tools) -> bool:
    """Make the build of a package in a directory; return False where the one that is there fits. Raises CompileError.

    Nothing of an older build is overwritten, and it is deleted by the next command only: a router that runs keeps the
    files it has open, and one that starts at this very moment still finds those that it has read of.
    """
    directory = directory.absolute()  # the compilers run elsewhere
    with _exclusively(directory), tempfile.TemporaryDirectory(prefix=_WORK, dir=directory) as work:
        copy = Path(work) / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("_compiled", "__pycache__"))
        modules = {module: fingerprint(copy, module) for module in modules_of(copy)}
        wanted = {"suffix": suffix(), **tools.made_by(), "modules": modules}
        former = _manifest(directory)
        _clear(directory, except_for=(copy.parent.name, str(former.get("folder"))))
        if {**former, "folder": None} == {**wanted, "folder": None} and not _missing(directory, former):
            return False
        built = Path(work) / "built"
        built.mkdir()
        kept = _reuse(directory, former, wanted, copy, built)
        _make_all([module for module in modules if module not in kept], copy, built, tools)
        folder = directory / f"{_PREFIX}{secrets.token_hex(8)}"
        built.rename(folder)
        written = directory / f"{MANIFEST}.new"
        written.write_text(json.dumps({**wanted, "folder": folder.name}, indent=1), encoding="utf-8")
        written.replace(directory / MANIFEST)
        return True


def remove(directory: Path) -> bool:
    """Take a build away; return False where there is none."""
    if not directory.is_dir():
        return False
    with _exclusively(directory):
        is_there = (directory / MANIFEST).exists()
        (directory / MANIFEST).unlink(missing_ok=True)
        _clear(directory)
    return is_there


def _manifest(directory: Path) -> dict[str, object]:
    try:
        return dict(json.loads((directory / MANIFEST).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _extensions(directory: Path, manifest: dict[str, object]) -> dict[str, Path]:
    modules = manifest.get("modules")
    folder = directory / str(manifest.get("folder"))
    names = modules if isinstance(modules, dict) else {}
    return {name: folder / f"{name}{manifest.get('suffix')}" for name in names}


def _missing(directory: Path, manifest: dict[str, object]) -> list[Path]:
    return [path for path in _extensions(directory, manifest).values() if not path.is_file()]


def _reuse(directory: Path, former: dict[str, object], wanted: dict[str, object], copy: Path, built: Path) -> set[str]:
    """Copy the extensions that would turn out the same, and return their modules."""
    before, now = former.get("modules"), wanted["modules"]
    if not isinstance(before, dict) or not isinstance(now, dict):
        return set()
    if any(former.get(name) != wanted[name] for name in ("suffix", "cython", "options")):
        return set()
    declarations = {name: one["pxd"] for name, one in before.items()}
    kept = set()
    for module, extension in _extensions(directory, former).items():
        if before[module] != now.get(module) or not extension.is_file():
            continue
        # How the classes of others are laid out is part of an extension.
        if all(declarations.get(name) == now[name]["pxd"] for name in _declared_for(module, copy, set(now))):
            shutil.copy2(extension, built)
            kept.add(module)
    return kept


def _declared_for(module: str, copy: Path, modules: set[str]) -> set[str]:
    """Return the modules whose declarations a module's own ones lead to."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        paths = [path for kind, path in files_of(copy, name).items() if kind != "py"]
        text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
        for package, names in _CIMPORT.findall(text):
            named = {name.split()[0] for name in names.split(",") if name.strip()}
            full = {package, *named, *(f"{package}.{name}" for name in named)}
            waiting |= ({one.removeprefix(f"{copy.name}.") for one in full} & modules) - found
    return found


def _make_all(modules: Sequence[str], copy: Path, built: Path, tools: Tools) -> None:
    cores = len(os.sched_getaffinity(0))
    started = time.monotonic()
    with ThreadPoolExecutor(cores) as pool:
        under_way = {pool.submit(_make, module, copy, built, tools): module for module in modules}
        try:
            for number, done in enumerate(as_completed(under_way), 1):
                done.result()
                _say(f"[{number}/{len(modules)}] {under_way[done]} ({time.monotonic() - started:.0f} s)")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _make(module: str, copy: Path, built: Path, tools: Tools) -> None:
    files = files_of(copy, module)
    source = files.get("pyx", files["py"]).relative_to(copy.parent)
    c_file = source.with_suffix(".c")
    # Relative to where imports begin: so tracebacks name the source as Python finds it there.
    _run([*tools.cython, "--module-name", f"{copy.name}.{module}", "-o", str(c_file), str(source)], module, copy.parent)
    _run([*tools.c, str(c_file), "-o", str(built / (module + suffix()))], module, copy.parent)


def _run(command: Sequence[str], module: str, directory: Path) -> None:
    answer = subprocess.run(command, cwd=directory, capture_output=True, text=True, errors="replace", check=False)
    if answer.returncode != 0:
        told = "\n".join((answer.stdout + answer.stderr).strip().splitlines()[-_LAST_LINES:])
        raise CompileError(f"{module} does not compile ({shlex.join(command)} ended with {answer.returncode}):\n{told}")


@contextlib.contextmanager
def _exclusively(directory: Path) -> Iterator[None]:
    """Hold the directory, which is made, against another build; the kernel lets go of it when the process dies."""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        held = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another command is at work in {directory}; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        if directory.is_dir() and os.path.samestat(os.fstat(held), directory.stat()):
            break
        os.close(held)  # the one before has deleted it
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            directory.rmdir()  # nothing came of it
        os.close(held)


def _clear(directory: Path, except_for: Sequence[str] = ()) -> None:
    """Delete builds that no manifest names, among them those of commands that were killed."""
    (directory / f"{MANIFEST}.new").unlink(missing_ok=True)
    for path in directory.iterdir():
        if path.name.startswith((_PREFIX, _WORK)) and path.name not in except_for:
            shutil.rmtree(path)


def main(arguments: Sequence[str]) -> int:
    """Do what was asked and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/compile", description="Compile the router's hot path")
    parser.add_argument("--into", type=Path, default=PACKAGE / "_compiled", help="where the build goes")
    parser.add_argument("--remove", action="store_true", help="take the build away")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # leaves nothing behind, as Ctrl-C
    try:
        if given.remove:
            _say(f"removed the build in {given.into}" if remove(given.into) else f"there is no build in {given.into}")
        elif compile_into(given.into, PACKAGE, tools()):
            _say(f"the build is in {given.into} ({time.monotonic() - started:.0f} s); routers that start now use it")
        else:
            _say(f"the build in {given.into} is up to date")
    except (CompileError, OSError) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted; the former build, if there is one, is as it was")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
