"""The peak of what one step computes with, beside weights and cache."""

from roundhouse_common.contracts.models import AttentionKind, ModelFacts
from roundhouse_common.sizing.engine_memory import SAMPLER_BYTES
from roundhouse_common.sizing.kv_cache import CacheLoad

__all__ = ["forward_bytes", "llama_cpp_bytes", "sampled_bytes"]

_F16 = 2
_F32 = 4


def forward_bytes(facts: ModelFacts, load: CacheLoad) -> int:
    """Return the peak inside a layer, in 16 bits, for engines that run torch.

    Per token: residual, normed input, attention's and MLP's output (4 x hidden), and the wider of queries, keys,
    values and attention's result on the one hand, the MLP's gate, up and product (3 x intermediate) on the other, of
    which each device has its part. Experts: gate and up or the result of all chosen experts, and their product.
    """
    tp = load.tensor_parallel
    width = facts.attention_width or facts.hidden_size
    key_value = max((group.kv_heads * (group.key_dim + group.value_dim) for group in facts.groups), default=0)
    attention = -(-(2 * width + key_value) // tp)
    return load.batch_tokens * _F16 * (4 * facts.hidden_size + max(attention, _mlp(facts, tp)))


def sampled_bytes(facts: ModelFacts, load: CacheLoad) -> int:
    """Return the peak while the next tokens are chosen: the last hidden states and the sampler's tables."""
    hidden = load.batch_tokens * _F16 * facts.hidden_size
    return hidden + load.concurrency * facts.vocab_size * SAMPLER_BYTES


def llama_cpp_bytes(facts: ModelFacts, load: CacheLoad, *, is_embedding: bool) -> int:
    """Return llama.cpp's compute and output buffers, which it allocates at the start for the worst step.

    Fitted to what it logs for SmolLM2-135M and for models made up for the purpose (docs/explanations/memory.md), never
    below and for most exact: batch x 4 x (5 x hidden + the MLP, or queries, their result, keys and values), and the
    masks, batch x context x 2 with flash attention. With embeddings the worst step returns the logits of the whole
    batch, else one per request.
    """
    batch, context = load.batch_tokens, -(-load.context_tokens // 256) * 256
    width = facts.attention_width or facts.hidden_size
    keys = max((group.kv_heads * group.key_dim for group in facts.groups), default=0)
    wide = max(_mlp(facts, 1), 2 * width + keys)
    has_output = any(group.attention is not AttentionKind.NONE for group in facts.groups)
    if is_embedding and has_output:
        wide = max(wide, facts.vocab_size)
    cached = {
        min(context, -(-(group.window + batch) // 256) * 256) if group.window else context
        for group in facts.groups
        if group.attention in _MASKED
    }
    outputs = load.concurrency * (facts.vocab_size + facts.hidden_size) * _F32
    return batch * _F32 * (wide + 5 * facts.hidden_size) + batch * sum(cached) * _F16 + outputs


_MASKED = (AttentionKind.FULL, AttentionKind.SLIDING, AttentionKind.LATENT)


def _mlp(facts: ModelFacts, tensor_parallel: int) -> int:
    """Return the elements per token of the widest MLP; mixtures have dense layers too."""
    dense = -(-3 * facts.intermediate_size // tensor_parallel)
    if not facts.experts_per_token:
        return dense
    part = -(-facts.expert_intermediate_size // tensor_parallel)
    return max(dense, facts.experts_per_token * (max(2 * part, facts.hidden_size) + part))
