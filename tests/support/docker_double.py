"""A double of the `docker` command line, not Docker: it runs the inner command in place, on this machine's files.

It checks what it is given as Docker would (an image that was pulled, variables that are handed over by name, one
container per name) and keeps each "container" as a file in its directory, so that `ps` and `rm` see it. What it cannot
show: images, isolation, devices, mounts. Used as a program: `install_docker_double` writes it as `docker`.
"""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

WITH_VALUE = {
    *("--name", "--label", "--network", "--ipc", "--stop-signal", "--pull", "--volume", "--env", "--entrypoint"),
    *("--gpus", "--device", "--group-add", "--security-opt"),
}


def install_docker_double(directory: Path, *images: str) -> Path:
    """Return the program; `images` can be pulled."""
    directory.mkdir(exist_ok=True)
    (directory / "registry.json").write_text(json.dumps(images))
    program = directory / "docker"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {__file__} {directory} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def containers(directory: Path) -> dict[str, int]:
    """Return the process of each container that there is."""
    found = {}
    for path in directory.glob("*.container"):
        with contextlib.suppress(OSError, ValueError):
            found[path.stem] = int(path.read_text().split()[0])
    return found


def main(directory: Path, words: list[str]) -> int:
    if words[:1] == ["info"]:
        return 0
    if words[:2] == ["image", "inspect"]:
        return 0 if words[-1] in _pulled(directory) else 1
    if words[:1] == ["pull"]:
        return _pull(directory, words[1])
    if words[:1] == ["ps"]:
        sys.stdout.write("".join(f"{name}\n" for name in containers(directory)))
        return 0
    if words[:2] == ["rm", "--force"]:
        return _remove(directory, words[2])
    if words[:1] == ["run"]:
        return _run(directory, words[1:])
    sys.stderr.write(f"docker double: {words} is not known\n")
    return 125


def _pulled(directory: Path) -> list[str]:
    path = directory / "pulled.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def _pull(directory: Path, image: str) -> int:
    if image not in json.loads((directory / "registry.json").read_text()):
        sys.stderr.write(f"Error response from daemon: manifest for {image} not found: manifest unknown\n")
        return 1
    sys.stdout.write(f"Pulling from {image}\nStatus: Downloaded newer image for {image}\n")
    (directory / "pulled.json").write_text(json.dumps([*_pulled(directory), image]))
    return 0


def _run(directory: Path, words: list[str]) -> int:
    options: list[tuple[str, str]] = []
    while words[0].startswith("--"):
        has_value = words[0] in WITH_VALUE
        options.append((words[0], words[1] if has_value else ""))
        words = words[2 if has_value else 1 :]
    given = dict(options)
    if words[0] not in _pulled(directory):
        sys.stderr.write(f"docker: image {words[0]} is not here\n")
        return 125
    name = given.get("--name", f"unnamed-{os.getpid()}")
    record = directory / f"{name}.container"
    if record.exists():
        sys.stderr.write(f"docker: the container name {name} is in use\n")
        return 125
    env = {word: os.environ[word] for option, word in options if option == "--env" and word in os.environ}
    inner = given["--entrypoint"]
    argv = [sys.executable if inner == "python3" else inner, *words[1:]]
    process = subprocess.Popen(argv, env={**env, "PATH": os.environ.get("PATH", os.defpath)}, start_new_session=True)
    record.write_text(f"{process.pid} {json.dumps(options)}")
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    record.unlink(missing_ok=True)
    return code if code >= 0 else 128 - code


def _remove(directory: Path, name: str) -> int:
    record = directory / f"{name}.container"
    pid = containers(directory).get(name)
    if pid is None:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    time.sleep(0)
    record.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
