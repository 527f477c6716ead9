"""What is known of a model from its own files, and from nothing else."""

from roundhouse_common.contracts.base import Message, OpenEnum
from roundhouse_common.contracts.catalog import ModelSource

__all__ = ["AttentionKind", "InspectModel", "LayerGroup", "ModelFacts", "ModelFormat", "ModelInspected"]


class ModelFormat(OpenEnum):
    UNKNOWN = "unknown"
    SAFETENSORS = "safetensors"
    GGUF = "gguf"


class AttentionKind(OpenEnum):
    """How a layer keeps the past."""

    UNKNOWN = "unknown"
    FULL = "full"
    """Keys and values of every token (multi-head, grouped-query and multi-query differ in `kv_heads` only)."""
    SLIDING = "sliding"
    """Keys and values of the last `window` tokens."""
    LATENT = "latent"
    """Multi-head latent attention: one compressed vector per token, shared by all heads."""
    RECURRENT = "recurrent"
    """A state of fixed size per sequence (linear attention, state-space layers)."""
    NONE = "none"
    """Nothing of the past: encoders see their whole input at once, and some layers have no attention."""


class LayerGroup(Message, frozen=True, kw_only=True):
    """Layers that keep the past in the same way."""

    layers: int
    attention: AttentionKind
    kv_heads: int = 0
    key_dim: int = 0
    """Elements per head of a key; for LATENT the elements of the compressed vector and its rotary part."""
    value_dim: int = 0
    """Elements per head of a value; 0 for LATENT, which keeps one vector."""
    window: int = 0
    """Tokens, for SLIDING."""
    state_bytes: int = 0
    """Per sequence and layer, for RECURRENT."""


class ModelFacts(Message, frozen=True, kw_only=True):
    """Read from headers and configuration, never guessed: what the files do not say is 0 or empty."""

    format: ModelFormat
    architecture: str
    """As the files say it, e.g. `LlamaForCausalLM` or `llama`."""
    weight_bytes: int
    """Of all tensors, as stored."""
    parameter_count: int = 0
    quantization: str = ""
    """e.g. `gptq-4bit`, `awq-4bit`, `fp8`, `Q4_K_M`; empty for plain weights."""
    dtype: str = ""
    """Of the plain weights, which the KV cache has by default, e.g. `bfloat16`."""
    context_length: int = 0
    layers: int = 0
    hidden_size: int = 0
    intermediate_size: int = 0
    attention_heads: int = 0
    kv_heads: int = 0
    vocab_size: int = 0
    expert_count: int = 0
    experts_per_token: int = 0
    groups: tuple[LayerGroup, ...] = ()
    expert_intermediate_size: int = 0
    attention_width: int = 0
    """Elements of all query heads together; `hidden_size` when the files do not say otherwise."""
    kv_cache_dtype: str = ""
    """What the model was made to keep its KV cache in, e.g. `fp8`; empty: `dtype`."""
    embedding_bytes: int = 0
    """Of `weight_bytes`, the table of the input embedding, which the first pipeline stage holds."""
    output_bytes: int = 0
    """Of `weight_bytes`, the table of the output, which the last stage holds; 0: it shares the embedding's."""
    replicated_bytes: int = 0
    """Of `weight_bytes`, what each device of a tensor parallel group holds whole: norms, routers, latent parts."""
    kv_projection_bytes: int = 0
    """Of `weight_bytes`, the key and value projections, which are divided by KV heads and no further."""
    float32_bytes: int = 0
    """Of `weight_bytes`, what is stored as 32-bit floats; most engines for devices load it as 16-bit floats."""
    quantization_group: int = 0
    """Weights that share one scale along the divided side; 0: none or not by groups."""
    digest: str = ""
    """Of names, sizes and headers of the files: the same files give the same digest."""
    gaps: tuple[str, ...] = ()
    """What could not be learnt, in words: why a memory need cannot be computed."""


class InspectModel(Message, frozen=True, kw_only=True):
    """Read the headers of a model's files."""

    source: ModelSource


class ModelInspected(Message, frozen=True, kw_only=True):
    """What a node found, or why it found nothing."""

    facts: ModelFacts | None = None
    node_id: str = ""
    error: str = ""
    revision: str = ""
    """The commit that a repository's branch stands at; empty for sources without revisions."""
    total_bytes: int = 0
    """Of the files that would be fetched; 0 when they are on the node's disk, or not known."""
    file_count: int = 0
