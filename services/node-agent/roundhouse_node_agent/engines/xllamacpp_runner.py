"""llama.cpp's server as a process of its own: arguments, SIGTERM, exit codes. Standard library and xllamacpp only.

Exit codes: 0 stopped by SIGTERM or SIGINT; 2 bad arguments; 3 the model's file is missing; 4 the model cannot be
loaded; 5 the port is in use; 6 xllamacpp cannot be imported.

The API key comes from the environment variable ROUNDHOUSE_ENGINE_API_KEY, never from an argument: other users of the
machine can read those. llama.cpp writes its log to standard error.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Final

STOPPED: Final = 0
BAD_ARGUMENTS: Final = 2
MODEL_MISSING: Final = 3
MODEL_UNLOADABLE: Final = 4
PORT_IN_USE: Final = 5
NOT_INSTALLED: Final = 6

_HTTP_THREADS = 64
"""A kept-alive connection of a router holds one thread of the server; with few of them probes would wait behind it."""

_CHECKPOINTS = 4
"""Per request, of models with windows or states: 32 by default, of as many MiB each as a window takes. The memory need
is computed with this number (roundhouse_common.sizing)."""
_AUTOMATIC = -1
_LAST_WORDS_S = 0.3
"""llama.cpp writes its log in a thread of its own: what it says of a failure must be out before the process is."""


def main(arguments: list[str]) -> int:
    """Serve until told to stop; return the exit code."""
    options = _parser().parse_args(arguments)
    if not Path(options.model).is_file():
        return _fail(MODEL_MISSING, f"model file {options.model} is not there")
    if wrong := _wrong_header(Path(options.model)):
        return _fail(MODEL_UNLOADABLE, f"invalid GGUF file {options.model}: {wrong}")
    if options.chat_template_file and not Path(options.chat_template_file).is_file():
        return _fail(BAD_ARGUMENTS, f"chat template {options.chat_template_file} is not there")
    if not _is_free(options.host, options.port):
        return _fail(PORT_IN_USE, f"port {options.port} is in use")
    try:
        import xllamacpp  # noqa: PLC0415 - an installation that is missing or broken has an exit code of its own
    except ImportError as error:
        return _fail(NOT_INSTALLED, f"xllamacpp cannot be imported: {error}")
    return _serve(xllamacpp, options)


def _serve(xllamacpp: ModuleType, options: argparse.Namespace) -> int:
    told = threading.Event()
    is_loading = True

    def stop(number: int, _frame: object) -> None:
        _say(f"{signal.Signals(number).name}: stopping")
        if is_loading:
            os._exit(STOPPED)  # the loader cannot be interrupted, and nothing is in flight
        told.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _say(f"loading {options.model}")
    began = time.monotonic()
    loaded: dict[str, Any] = {}  # Any: the extension module has no types
    loader = threading.Thread(target=_load, args=(xllamacpp, options, loaded), daemon=True)
    loader.start()
    while loader.is_alive():
        loader.join(0.05)  # in slices: signals are handled between them
    is_loading = False
    if "server" not in loaded:
        if not _is_free(options.host, options.port):
            return _fail(PORT_IN_USE, f"port {options.port} is in use")
        time.sleep(_LAST_WORDS_S)
        return _fail(MODEL_UNLOADABLE, f"model {options.model} cannot be loaded: {loaded.get('error')}")
    _say(f"ready after {time.monotonic() - began:.2f} s at {loaded['server'].listening_address}")
    while not told.wait(0.5):
        pass
    del loaded["server"]
    _say("stopped")
    return STOPPED


def _load(xllamacpp: ModuleType, options: argparse.Namespace, loaded: dict[str, Any]) -> None:
    try:
        loaded["server"] = xllamacpp.Server(_params(xllamacpp, options))
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        loaded["error"] = error


def _params(xllamacpp: ModuleType, options: argparse.Namespace) -> Any:  # Any: the extension module has no types
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = options.context * options.parallel  # llama.cpp divides it between the slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.n_threads_http = max(_HTTP_THREADS, 2 * options.parallel)
    params.n_gpu_layers = options.gpu_layers
    params.fit_params = options.gpu_layers == _AUTOMATIC
    params.cache_ram_mib = options.prompt_cache_mib
    params.cache_idle_slots = options.prompt_cache_mib > 0
    params.n_ctx_checkpoints = _CHECKPOINTS
    params.endpoint_metrics = params.endpoint_slots = params.endpoint_props = True
    params.use_jinja = True
    params.ui = False
    if options.batch:
        params.n_batch = options.batch
    if options.embedding:
        params.embedding = True
        params.n_batch = params.n_ubatch = max(options.context, options.batch or 0)  # one input is one batch
    if options.pooling:
        pooling = f"LLAMA_POOLING_TYPE_{options.pooling.upper()}"
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, pooling)
    if options.cache_type:
        kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{options.cache_type.upper()}")
        params.cache_type_k = params.cache_type_v = kind
    if options.chat_template_file:
        params.chat_template = Path(options.chat_template_file).read_text(encoding="utf-8")
    key = os.environ.get("ROUNDHOUSE_ENGINE_API_KEY", "")
    if key:
        params.api_keys = [key]
    return params


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xllamacpp_runner", allow_abbrev=False)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--alias", required=True, help="the name it answers to")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parallel", type=_positive, default=4, help="requests at the same time")
    parser.add_argument("--context", type=_positive, default=4096, help="tokens per request")
    parser.add_argument("--threads", type=_positive, default=1)
    parser.add_argument("--batch", type=_positive, default=None, help="tokens evaluated at once")
    parser.add_argument("--gpu-layers", type=_layers, default=0, help="layers on the GPU, or auto")
    parser.add_argument("--embedding", action="store_true", help="serve embeddings and reranking")
    parser.add_argument("--pooling", choices=["none", "mean", "cls", "last", "rank"], default=None)
    parser.add_argument("--cache-type", default=None, help="type of the KV cache, e.g. q8_0")
    parser.add_argument("--prompt-cache-mib", type=int, default=0, help="host memory for prompts that left their slot")
    parser.add_argument("--chat-template-file", default=None)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def _layers(text: str) -> int:
    return _AUTOMATIC if text == "auto" else int(text)


def _wrong_header(model: Path) -> str:
    """Return what is wrong with the first bytes of a GGUF file, "" when nothing is; the engine looks at all others."""
    with model.open("rb") as file:
        header = file.read(24)
    if header[:4] != b"GGUF":
        return f"it begins with {header[:4]!r}, not with b'GGUF'"
    if len(header) < 24:
        return f"it has {len(header)} bytes only"
    return "" if any(header[4:6]) else "its version is 0"


def _is_free(host: str, port: int) -> bool:
    """Whether it can be bound. As the server does, it may reuse the port of connections that are closing."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"[runner] {text}\n")
    sys.stdout.flush()


def _fail(code: int, text: str) -> int:
    _say(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
