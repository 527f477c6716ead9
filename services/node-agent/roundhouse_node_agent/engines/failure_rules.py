"""The failures of all engines that are known: what their lines mean, and what to do.

In order: the specific before the general, since the first rule that any line fits decides.
"""

import re
from typing import Final

from roundhouse_node_agent.domain.engine_run import PORT_IN_USE
from roundhouse_node_agent.engines.rule import Rule

__all__ = ["COMMON_RULES"]


def _rule(kind: str, pattern: str, summary: str, advice: str = "") -> Rule:
    return Rule(kind, re.compile(pattern), summary, advice)


_HOST: Final = (
    _rule("disk_full", r"No space left on device|Disk quota exceeded", "the node's disk is full", "free some space"),
    _rule(
        PORT_IN_USE,
        r"[Aa]ddress already in use|[Pp]ort (?:\d+ )?is (?:already )?in use|couldn't bind HTTP server socket",
        "its port was taken by another program",
    ),
    _rule(
        "host_limit",
        r"what\(\): +Resource temporarily unavailable|can't start new thread|pthread_create failed|"
        r"BlockingIOError: \[Errno 11\] Resource temporarily unavailable|cannot allocate memory for thread-local data",
        "the system refused it a thread or a process: a limit of memory or of processes on the node is reached",
        "raise the limit of the node agent's service (ulimit -v, ulimit -u, TasksMax), or run less on the node",
    ),
)

_HEADERS: Final = (
    # The first bytes of a file that is no checkpoint are taken for a length: so much memory there is not.
    _rule(
        "model_corrupt",
        r"in parse_safetensors_file_metadata",
        "the header of the model's weights cannot be read: the files are damaged, or are no checkpoint",
        "fetch them again and compare their checksums",
    ),
)

_DEVICE: Final = (
    _rule(
        "device_too_old",
        r"Marlin does not support weight_bits(?:.*min_capability = (?P<found>\d+))?",
        "the device is too old for the kernels of this quantization (its compute capability x 10 is {found})",
        "use another quantization, e.g. AWQ or unquantized float16, or a device of compute capability 8.0 or more",
    ),
    _rule(
        "device_too_old",
        r"no kernel image is available for execution on the device",
        "the engine was built without code for this device's generation",
        "use a newer device, or a version of the engine that was built for this one",
    ),
    _rule(
        "device_too_old",
        r"(?P<what>Bfloat16 is only supported on GPUs with compute capability.*|The quantization method \S+ is not"
        r" supported for the current GPU.*|Minimum capability: .*)",
        "the device is too old: {what}",
        "state another dtype or quantization, or use a newer device",
    ),
    _rule(
        "device_memory_taken",
        r"Free memory on device (?P<where>.*?) ?(?:on startup )?is less than desired GPU memory utilization"
        r"(?P<wanted>.*)",
        "other programs hold memory of the device that was meant for it: {where} free, less than wanted{wanted}",
        "stop them, place it on another device, or lower memory_share",
    ),
    _rule(
        "cache_too_small",
        r"No available memory for the cache blocks|Not enough memory\. Please try to increase --mem-fraction-static|"
        r"(?:larger|greater) than the maximum number of tokens that can be stored in KV cache|"
        r"(?:is|are) needed,? which is larger than the available KV cache memory|No enough gpu memory for runtime",
        "the weights fit and the KV cache does not",
        "ask for a shorter context or fewer parallel requests, more devices, or a larger memory_share",
    ),
    _rule(
        "out_of_memory",
        r"CUDA out of memory|CUDA error: out of memory|cudaMalloc failed|HIP out of memory|NPU out of memory|"
        r"MUSA out of memory|OutOfMemoryError|unable to allocate .* buffer|failed to allocate .*buffer|"
        r"insufficient memory \(attempted to allocate|std::bad_alloc|Cannot allocate memory|\bMemoryError\b",
        "memory ran out",
        "ask for a shorter context, fewer parallel requests or a smaller quantization, or use a larger node",
    ),
    _rule(
        "rendezvous",
        r"(?P<what>NCCL error.*|ncclSystemError.*|ncclRemoteError.*|Watchdog caught collective operation timeout|"
        r"Gloo connectFullMesh failed|HCCL (?:error|function error).*|Timed out after \d+ seconds waiting for clients)",
        "its members cannot reach each other: {what}",
        "check the nodes' network interfaces and firewalls, and that every member runs",
    ),
)

_MODEL: Final = (
    _rule(
        "context_too_long",
        r"max_model_len \((?P<wanted>\d+)\) is greater than the derived max_model_len \((?P<derived>.*?)\)(?: in|\.|$)",
        "a context of {wanted} tokens was asked for; the model allows less ({derived})",
        "lower context",
    ),
    _rule(
        "context_too_long",
        r"[Cc]ontext[ _-]length \(?(?P<wanted>\d+)\)? is (?:greater|longer) than the derived context[ _]length"
        r" \(?(?P<derived>\d+)",
        "a context of {wanted} tokens was asked for; the model allows {derived}",
        "lower context",
    ),
    _rule(
        "bad_tensor_parallel",
        r"[Tt]otal number of attention heads \(?(?P<heads>\d+)\)? must be divisible by tensor parallel size"
        r" \(?(?P<size>\d+)",
        "its {heads} attention heads cannot be divided by {size} devices",
        "set tensor_parallel to a divisor of {heads}",
    ),
    _rule(
        "bad_tensor_parallel",
        r"(?P<what>.*(?:must be|is not) divisible by (?:the )?(?:tensor[ _]parallel|tp)[ _]size.*|.*World size \(\d+\)"
        r" is larger than the number of available (?:GPUs|devices).*)",
        "the model cannot be divided so: {what}",
        "set another tensor_parallel",
    ),
    _rule(
        "remote_code",
        r"trust_remote_code=True|couldn't find it in the cached files and it looks like|"
        r"is not the path to a directory containing a file named \S+\.py|contains custom code which must be executed",
        "the model comes with code of its own, which is missing beside its files or not allowed to run",
        "fetch the whole repository with its .py files; if you trust them, set trust_remote_code to true",
    ),
    _rule(
        "unsupported_architecture",
        r"Model architectures \[?'?(?P<architecture>[^\]']+)'?\]? are not supported for now|"
        r"model type `?(?P<type>[\w.-]+)`? but Transformers does not recognize this architecture|"
        r"unknown model architecture: '(?P<other>[^']+)'|(?P<plain>does not recognize this architecture)",
        "this version of the engine does not know the model's architecture {architecture}{type}{other}",
        "use a newer version of the engine or another engine",
    ),
    _rule(
        "model_corrupt",
        r"data is not within the file bounds|model is corrupted or incomplete|invalid magic characters|SafetensorError|"
        r"Error while deserializing header|HeaderTooLarge|MetadataIncompleteBuffer|PytorchStreamReader failed",
        "the model's files are damaged or incomplete",
        "fetch them again and compare their checksums",
    ),
    _rule(
        "model_missing",
        r"Cannot find any model weights with|failed to open GGUF file|HFValidationError: Repo id must be|"
        r"does not appear to have a file named|no \.safetensors or \.bin|Model path .* does not exist|"
        r"no file named (?:model\.safetensors|pytorch_model\.bin)",
        "the model's files are not where they should be on this node",
        "look at the download's state, or correct the path",
    ),
    _rule(
        "bad_quantization",
        r"(?P<what>Unknown quantization method.*|Quantization method specified in the model config .* does not match.*|"
        r"Invalid quantization method.*)",
        "the quantization cannot be used: {what}",
        "leave quantization out, or state the one of the files",
    ),
    _rule(
        "hub_access",
        r"(?P<what>401 Client Error.*|403 Client Error.*|[Gg]ated repo.*|Name or service not known|"
        r"Temporary failure in name resolution|We couldn't connect to.*|OfflineModeIsEnabled.*)",
        "it wanted something from a model hub and did not get it: {what}",
        "give the source a token, or fetch the files before the start",
    ),
)

_INSTALLATION: Final = (
    _rule(
        "bad_parameters",
        r"(?P<what>unrecognized arguments: .*|error: argument .*|Error: --enable-auto-tool-choice requires.*|"
        r"error: invalid argument: .*|No such option: .*|KeyError: '?invalid (?:tool|reasoning).*|"
        r"invalid tool call parser: .*)",
        "the engine refuses a parameter: {what}",
        "correct it, or use a version of the engine that knows it",
    ),
    _rule(
        "broken_environment",
        r"(?P<what>ModuleNotFoundError: .*|No package metadata was found for \S+|operator \S+::\S+ does not exist|"
        r"cannot open shared object file.*|libcuda\.so\.1: .*|undefined symbol: \S+|^ImportError: .*|"
        r"ImportError: (?!.*(?:optional|ignor)).*|"
        r"Failed to infer device type|The NVIDIA driver on your system is too old.*|No module named \S+)",
        "the engine is not properly installed on this node: {what}",
        "install it again",
    ),
)

COMMON_RULES: Final[tuple[Rule, ...]] = (*_HOST, *_HEADERS, *_DEVICE, *_MODEL, *_INSTALLATION)
