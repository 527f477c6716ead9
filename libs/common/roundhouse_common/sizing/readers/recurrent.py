"""What linear-attention and state-space layers keep per sequence: a state of fixed size.

The recurrent part is counted in 32 bits, which is what llama.cpp always and SGLang by default keep and the most that
vLLM does (`--mamba-ssm-cache-dtype`); the convolution's last inputs in 16 bits.
"""

from roundhouse_common.sizing.readers.fields import Fields

__all__ = ["state_bytes"]

_F16 = 2
_F32 = 4


def state_bytes(fields: Fields, hidden: int, heads: int) -> int:
    """Return the bytes per sequence and layer; 0 and a gap when the config does not say enough."""
    for known in (_delta_net, _mamba2, _mamba1, _short_convolution):
        found = known(fields, hidden)
        if found:
            return found
    head_dim = fields.number("head_dim")
    if fields.has("attn_type_list") and heads and head_dim:  # MiniMax: one head_dim x head_dim matrix per head
        return heads * head_dim * head_dim * _F32
    fields.gaps.append("config.json does not say how large the state of its recurrent layers is")
    return 0


def _delta_net(fields: Fields, _hidden: int) -> int:
    """Gated DeltaNet (Qwen3-Next): a key x value matrix per value head; queries, keys and values are convolved."""
    key_heads, value_heads = fields.number("linear_num_key_heads"), fields.number("linear_num_value_heads")
    key_dim, value_dim = fields.number("linear_key_head_dim"), fields.number("linear_value_head_dim")
    kernel = fields.number("linear_conv_kernel_dim")
    if not (key_heads and value_heads and key_dim and value_dim and kernel):
        return 0
    convolved = 2 * key_heads * key_dim + value_heads * value_dim
    return convolved * (kernel - 1) * _F16 + value_heads * key_dim * value_dim * _F32


def _mamba2(fields: Fields, _hidden: int) -> int:
    """Mamba-2: a head_dim x state matrix per head; inputs and both projections of each group are convolved."""
    heads = fields.number("mamba_n_heads", "mamba_num_heads")
    head_dim = fields.number("mamba_d_head", "mamba_head_dim")
    state = fields.number("mamba_d_state", "ssm_state_size", "state_size")
    kernel = fields.number("mamba_d_conv", "conv_kernel", "mamba_conv_kernel")
    groups = fields.number("mamba_n_groups", "n_groups") or 1
    if not (heads and head_dim and state and kernel):
        return 0
    inner = heads * head_dim
    return (inner + 2 * groups * state) * (kernel - 1) * _F16 + inner * state * _F32


def _mamba1(fields: Fields, hidden: int) -> int:
    """Mamba: `state` numbers per inner channel."""
    state = fields.number("mamba_d_state", "state_size")
    kernel = fields.number("mamba_d_conv", "conv_kernel")
    expand = fields.number("mamba_expand", "expand")
    inner = expand * hidden or fields.number("intermediate_size")
    if not (state and kernel and inner):
        return 0
    return inner * (kernel - 1) * _F16 + inner * state * _F32


def _short_convolution(fields: Fields, hidden: int) -> int:
    """LFM2: the last inputs of a short convolution."""
    kernel = fields.number("conv_L_cache")
    return hidden * kernel * _F16 if kernel else 0
