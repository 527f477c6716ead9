"""An image for Podman, made without a registry: this machine's Python, the libraries that it needs, and xllamacpp."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

__all__ = ["IMAGE", "can_run_image", "drop_image", "make_image", "podman_or_why"]

IMAGE = "localhost/roundhouse-test/llamacpp:1"
_LIBRARY = re.compile(r"(/\S+\.so\S*)")
_LEFT_OUT = {"test", "site-packages", "__pycache__", "idlelib", "tkinter", "ensurepip"}


def make_image() -> None:
    """Import the image under its name. Raises CalledProcessError."""
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = base / "bin" / version
    spec = importlib.util.find_spec("xllamacpp")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    packages = [package, *package.parent.glob("xllamacpp*.dist-info"), *package.parent.glob("xllamacpp*.libs")]
    binaries = [interpreter, *(base / "lib" / version / "lib-dynload").glob("*.so"), *_binaries(packages)]
    podman = subprocess.Popen(["podman", "import", "-", IMAGE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert podman.stdin is not None
    with podman.stdin, tarfile.open(fileobj=podman.stdin, mode="w|") as tar:
        for library in _libraries(binaries):
            tar.add(Path(library).resolve(), arcname=library)
        tar.add(interpreter.resolve(), arcname=str(interpreter))
        tar.add(base / "lib" / version, arcname=str(base / "lib" / version), filter=_kept)
        for path in packages:
            tar.add(path, arcname=str(base / "lib" / version / "site-packages" / path.name))
        link = tarfile.TarInfo("/usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, str(interpreter)
        tar.addfile(link)
    if podman.wait() != 0:
        raise subprocess.CalledProcessError(podman.returncode, "podman import")


def podman_or_why() -> str:
    """Return nothing where Podman can run containers, else why not."""
    if shutil.which("podman") is None:
        return "Podman is not installed"
    done = subprocess.run(["podman", "info"], capture_output=True, timeout=30, check=False, text=True)
    return "" if done.returncode == 0 else f"Podman does not answer: {done.stderr[-200:]}"


def can_run_image() -> str:
    """Return nothing where a container of the image runs, else what it said."""
    command = ["podman", "run", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE, "-c", "print('runs')"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, text=True)
    return "" if done.stdout.strip() == "runs" else f"containers do not run here: {done.stderr[-300:]}"


def drop_image() -> None:
    subprocess.run(["podman", "rmi", "--force", IMAGE], stdout=subprocess.DEVNULL, check=False)


def _binaries(packages: list[Path]) -> list[Path]:
    return [file for package in packages for file in package.rglob("*.so*")]


def _libraries(binaries: list[Path]) -> list[str]:
    found: set[str] = set()
    for binary in binaries:
        said = subprocess.run(["ldd", str(binary)], capture_output=True, check=False, text=True).stdout
        found |= {name for name in _LIBRARY.findall(said) if os.path.exists(name)}
    return sorted(found)


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if set(Path(member.name).parts) & _LEFT_OUT else member
