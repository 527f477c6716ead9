"""A compiled build of the hot path: whether there is one that fits, and its way into Python's imports.

`scripts/compile` makes it. The Python files stay what counts: a build is used as a whole or not at all, and only where
it was made from these very files for this Python. Only the standard library, for it runs before anything else of the
router is imported ([ADR 181](docs/decisions/0181-the-fast-path-may-be-compiled.md)).
"""

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = [
    "MANIFEST",
    "PACKAGE",
    "Build",
    "Finder",
    "NoBuild",
    "Unfit",
    "Verdict",
    "decide",
    "directory_of",
    "files_of",
    "fingerprint",
    "load",
    "read_build",
    "suffix",
    "verdict",
]

PACKAGE: Final = Path(__file__).parent
MANIFEST: Final = "manifest.json"
_FOLDER: Final = "_compiled"
_MODE: Final = "ROUNDHOUSE_ROUTER_COMPILED"
_DIRECTORY: Final = "ROUNDHOUSE_ROUTER_COMPILED_DIR"
_EXIT_BAD_SETTINGS: Final = 2
"""That of `roundhouse_common.service.settings`, which is not to be loaded yet; a test holds them equal."""


class Unfit(Exception):
    """There is no build for these files and this Python; the text says why."""


class NoBuild(Unfit):
    """There is none at all."""


@dataclass(frozen=True, slots=True)
class Build:
    """Extensions that were made from the sources as they are, for this Python."""

    extensions: Mapping[str, Path]
    """By the full names of their modules."""
    sources: Mapping[str, Path]
    """By the same names."""
    cython: str
    """The version that made it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What this process runs."""

    is_compiled: bool
    reason: str
    """Why it is so, for the log."""
    is_left_aside: bool = False
    """Whether there is a build that does not fit: somebody may want to make a new one."""


_verdict = Verdict(False, "nobody asked")


def verdict() -> Verdict:
    """Return what `decide` found for this process."""
    return _verdict


def suffix() -> str:
    """Return how extensions end that this Python loads: its version, its libc and the processor."""
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def _path(package: Path, module: str) -> Path:
    return package.joinpath(*module.split("."))


def files_of(package: Path, module: str) -> dict[str, Path]:
    """Return the files of a module, named as in `wire.heads`, by kind: `py`, `pxd`, and `pyx` where it has one."""
    path = _path(package, module)
    files = {kind: path.with_suffix(f".{kind}") for kind in ("py", "pxd", "pyx")}
    if not files["pyx"].is_file():
        del files["pyx"]
    return files


def fingerprint(package: Path, module: str) -> dict[str, str]:
    """Return SHA-256 of the files of a module. Raises OSError."""
    files = files_of(package, module)
    return {kind: hashlib.sha256(path.read_bytes()).hexdigest() for kind, path in files.items()}


def read_build(directory: Path, package: Path = PACKAGE) -> Build:
    """Return the build in a directory, held against the sources of a package. Raises Unfit, or NoBuild."""
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
        made_for, modules = str(manifest["suffix"]), dict(manifest["modules"])
        folder, cython = directory / str(manifest["folder"]), str(manifest["cython"])
    except FileNotFoundError:
        raise NoBuild(f"there is no build in {directory}") from None
    except OSError as error:
        raise Unfit(f"{directory / MANIFEST} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Unfit(f"{directory / MANIFEST} cannot be understood: {error!r}") from None
    if made_for != suffix():
        raise Unfit(f"the build was made for another Python: extensions end in {made_for}, here in {suffix()}")
    extensions, sources = {}, {}
    for module, expected in modules.items():
        try:
            is_same = fingerprint(package, module) == expected
        except OSError as error:
            raise Unfit(f"a source of {module} cannot be read: {error.strerror}") from None
        if not is_same:
            raise Unfit(f"{module} has changed since the build was made")
        extension = folder / (module + made_for)
        if not extension.is_file():
            raise Unfit(f"the extension of {module} is missing")
        extensions[f"{package.name}.{module}"] = extension
        sources[f"{package.name}.{module}"] = _path(package, module).with_suffix(".py")
    return Build(extensions, sources, cython)


class _Loader(ExtensionFileLoader):
    """Knows the source of an extension, so that tracebacks show its lines."""

    def __init__(self, name: str, path: str, source: Path) -> None:
        super().__init__(name, path)
        self._source = source

    def get_source(self, fullname: str) -> str:  # type: ignore[override]  # others have none
        return self._source.read_text(encoding="utf-8")


class Finder(MetaPathFinder):
    """Answers for exactly the modules of a build, before Python looks for their sources."""

    def __init__(self, build: Build) -> None:
        self._extensions = build.extensions
        self._sources = build.sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        extension = self._extensions.get(fullname)
        if extension is None:
            return None
        loader = _Loader(fullname, str(extension), self._sources[fullname])
        return spec_from_file_location(fullname, extension, loader=loader)


def load(build: Build) -> None:
    """Import all modules of a build. Raises Unfit, and leaves nothing of it behind, where one cannot be loaded.

    What was made with another libc, or takes another version of a library for granted, shows only when it is loaded;
    a router that has served a request cannot change its mind.
    """
    if known := sorted(build.extensions.keys() & sys.modules.keys()):
        raise Unfit(f"{known[0]} was imported before")
    before = frozenset(sys.modules)
    finder = Finder(build)
    sys.meta_path.insert(0, finder)
    try:
        for module in build.extensions:
            import_module(module)
    except Exception as error:  # whatever foreign machine code raises, Python can do without it
        sys.meta_path.remove(finder)
        packages = {module.partition(".")[0] for module in build.extensions}
        _forget(name for name in set(sys.modules) - before if name.partition(".")[0] in packages)
        raise Unfit(f"the build cannot be loaded: {type(error).__name__}: {error}") from error


def _forget(names: Iterable[str]) -> None:
    """Drop modules, and what their parents know of them: they were bound to some that could not be loaded."""
    for name in names:
        module = sys.modules.pop(name)
        parent, _, own = name.rpartition(".")
        if getattr(sys.modules.get(parent), own, None) is module:
            delattr(sys.modules[parent], own)


def directory_of(environment: Mapping[str, str], package: Path = PACKAGE) -> Path:
    """Return where a router with this environment looks for a build."""
    return Path(_given(environment, _DIRECTORY) or package / _FOLDER)


def _given(environment: Mapping[str, str], name: str) -> str:
    """Names of settings may be written in small letters."""
    return next((value for key, value in environment.items() if key.upper() == name), "")


def decide(environment: Mapping[str, str], package: Path = PACKAGE) -> None:
    """Load the build where the environment wants it and it fits. Prints one line and exits where it is required.

    To be called once, before anything else of the router is imported. A mode that there is not is left to the
    settings, which say so.
    """
    global _verdict  # what a process has imported is the whole process's
    mode = _given(environment, _MODE) or "auto"
    directory = directory_of(environment, package)
    if mode not in ("auto", "required"):
        _verdict = Verdict(False, f"{_MODE} is {mode}")
        return
    try:
        build = read_build(directory, package)
        load(build)
        _verdict = Verdict(True, f"{len(build.extensions)} modules, made by Cython {build.cython}")
    except Unfit as unfit:
        if mode == "required":
            print(  # noqa: T201 - for the person who started it; logging is not configured yet
                f"router: {_MODE} is required, and the hot path cannot run compiled: {unfit}; "
                "scripts/compile makes a build",
                file=sys.stderr,
            )
            raise SystemExit(_EXIT_BAD_SETTINGS) from None
        _verdict = Verdict(False, str(unfit), is_left_aside=not isinstance(unfit, NoBuild))
