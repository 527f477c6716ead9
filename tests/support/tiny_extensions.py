"""Extensions of a few lines, made by this machine's C compiler, and packages whose modules they may stand in for."""

import json
import subprocess
from pathlib import Path

import pytest
from scripts._compile import CompileError, c_compiler

from roundhouse_router.compiled import MANIFEST, fingerprint, suffix

__all__ = ["TinyPackage", "c_source", "this_compiler"]

_C = """
#include <Python.h>
static PyObject *which(PyObject *self, PyObject *none) { return PyUnicode_FromString("extension"); }
static PyMethodDef methods[] = {{"which", which, METH_NOARGS, ""}, {0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "NAME", 0, -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&definition); }
"""


def this_compiler() -> tuple[str, ...]:
    """Return the command that makes extensions; skips the test where there is no compiler, or no headers of Python."""
    try:
        return c_compiler()
    except CompileError as error:
        pytest.skip(str(error))


def c_source(module: str) -> str:
    """Return C whose `which()` says "extension"."""
    return _C.replace("NAME", module.rpartition(".")[2])


class TinyPackage:
    """A package whose modules `one` and `inner.two` say which of both they are: "python" or "extension"."""

    modules = ("inner.two", "one")

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self.path = directory / name
        self.build = self.path / "_compiled"
        (self.path / "inner").mkdir(parents=True)
        (self.path / "__init__.py").touch()
        (self.path / "inner" / "__init__.py").touch()
        (self.path / "plain.py").write_text(f"from {name} import one\nfrom {name}.inner import two\n")
        for module in self.modules:
            self.source(module).write_text('def which():\n    return "python"\n')
            self.source(module).with_suffix(".pxd").write_text("# compiled as it is\n")

    def source(self, module: str) -> Path:
        return self.path.joinpath(*module.split(".")).with_suffix(".py")

    def extension(self, module: str) -> Path:
        return self.build / "build-1" / f"{module}{suffix()}"

    def compile(self) -> None:
        """Make the build that fits."""
        compiler = this_compiler()
        (self.build / "build-1").mkdir(parents=True)
        for module in self.modules:
            c_file = self.path.parent / f"{module}.c"
            c_file.write_text(c_source(module))
            subprocess.run([*compiler, str(c_file), "-o", str(self.extension(module))], check=True)
        prints = {module: fingerprint(self.path, module) for module in self.modules}
        self.tell(suffix=suffix(), cython="3", folder="build-1", modules=prints)

    def tell(self, **changed: object) -> None:
        """Write the manifest, or change it."""
        path = self.build / MANIFEST
        path.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_bytes()) if path.exists() else {}
        path.write_text(json.dumps({**before, **changed}))
