"""Declarations for the compiler (`.pxd`) fit their modules: their names and arguments are there, and all attributes
that a declared class sets are declared. The rest shows when a build is made; these only when a request comes to them.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.checks.sources import PRODUCT

__all__ = ["check"]

_CLASS = re.compile(r"cdef class (\w+)(?:\((\w+)\))?:")
_FUNCTION = re.compile(r"\s*c?p?def [^(=]*?(\w+)\((.*)\)")
_ATTRIBUTES = re.compile(r"\s+cdef (?:public |readonly )?(.+)")


@dataclass
class _Declared:
    """A class, or what is outside of any."""

    line: int
    base: str = ""
    functions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Names with their line and how many arguments they have, `self` included."""
    attributes: set[str] = field(default_factory=set)


def check(root: Path) -> list[str]:
    pages = {path: _read(path) for folder in PRODUCT for path in sorted((root / folder).rglob("*.pxd"))}
    classes = {name: one for page in pages.values() for name, one in page.items() if name}
    findings = []
    for path, page in pages.items():
        name, source = path.relative_to(root).as_posix(), path.with_suffix(".py")
        if not source.is_file():
            findings.append(f"{name}: there is no {source.name} beside it")
            continue
        module = ast.parse(source.read_text(encoding="utf-8"), str(source))
        findings += [f"{name}:{line}: {text}" for line, text in _compared(page, module, classes)]
    return findings


def _read(path: Path) -> dict[str, _Declared]:
    """Return what is declared, by the name of the class; empty for what is outside of any."""
    page = {"": _Declared(1)}
    current = page[""]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code = line.partition("#")[0]
        if code[:1].strip() and not code.startswith("@"):
            current = page[""]
        if found := _CLASS.match(code):
            current = page[found[1]] = _Declared(number, found[2] or "")
        elif found := _FUNCTION.match(code):
            current.functions[found[1]] = (number, len([one for one in found[2].split(",") if one.strip()]))
        elif found := _ATTRIBUTES.match(code):
            current.attributes |= {one.split()[-1] for one in found[1].split(",")}
    return page


def _compared(
    page: dict[str, _Declared], module: ast.Module, classes: dict[str, _Declared]
) -> Iterator[tuple[int, str]]:
    yield from _functions("", page[""], module.body)
    bodies = {node.name: node.body for node in module.body if isinstance(node, ast.ClassDef)}
    for name, declared in page.items():
        if not name:
            continue
        if name not in bodies:
            yield declared.line, f"there is no class {name}"
            continue
        yield from _functions(f"{name}.", declared, bodies[name])
        own = {*_set_by(bodies[name]), *_slots(bodies[name])}
        for attribute in sorted(declared.attributes - own):
            yield declared.line, f"{name} never sets {attribute}"
        known = own & set(_properties(bodies[name])) | _inherited(declared, classes)
        for attribute in sorted(own - known):
            yield declared.line, f"{name} sets {attribute}, which is not declared"


def _functions(prefix: str, declared: _Declared, body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    there = {node.name: node.args for node in body if isinstance(node, ast.FunctionDef)}
    for name, (line, number) in declared.functions.items():
        if name not in there:
            yield line, f"there is no {prefix}{name}()"
        elif number != len(there[name].posonlyargs + there[name].args):
            yield line, f"{prefix}{name}() has another number of arguments"


def _inherited(declared: _Declared, classes: dict[str, _Declared]) -> set[str]:
    base = classes.get(declared.base)
    return declared.attributes | (_inherited(base, classes) if base else set())


def _set_by(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the attributes of `self` that methods set."""
    for method in body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) or not method.args.args:
            continue
        me = method.args.args[0].arg
        for node in ast.walk(method):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute, ctx=ast.Store() | ast.Del()) if name == me:
                    yield attribute


def _slots(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=elements)):
                yield from (str(one.value) for one in elements if isinstance(one, ast.Constant))


def _properties(body: list[ast.stmt]) -> Iterator[str]:
    yield from (node.name for node in body if isinstance(node, ast.FunctionDef) and node.decorator_list)
