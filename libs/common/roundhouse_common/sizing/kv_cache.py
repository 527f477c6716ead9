"""What the past of all requests takes on the fullest device."""

import msgspec

from roundhouse_common.contracts.models import AttentionKind, LayerGroup
from roundhouse_common.sizing.cache_types import CacheType

__all__ = ["CacheLoad", "CacheRules", "cache_bytes", "checkpoint_bytes", "token_bytes"]


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """How one engine lays its cache out."""

    block_tokens: int
    """A request takes whole blocks (llama.cpp: its context is a multiple of this)."""
    latent_block_tokens: int
    has_windows: bool
    """Whether layers with a sliding window keep the window only."""
    is_window_per_request: bool = False
    """llama.cpp adds the batch to the window of every request; the others share one batch between all of them."""
    has_aligned_pages: bool = False
    """vLLM gives all layers pages of one size: with recurrent layers the blocks grow until a state fits into one."""
    states_per_request: int = 1
    """SGLang keeps three: one to compute with, two for its prefix cache."""


class CacheLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache must hold, and over how many devices."""

    context_tokens: int
    concurrency: int
    batch_tokens: int
    tensor_parallel: int
    pipeline_parallel: int


def cache_bytes(groups: tuple[LayerGroup, ...], cache_type: CacheType, load: CacheLoad, rules: CacheRules) -> int:
    """Return the bytes on the device that holds most: of each group the stage with the most layers of it."""
    block = _block_tokens(groups, cache_type, load, rules)
    total = 0
    for group in groups:
        layers = -(-group.layers // load.pipeline_parallel)
        if group.attention is AttentionKind.RECURRENT:
            total += layers * _states(groups, group, cache_type, load, rules)
        elif group.attention is not AttentionKind.NONE:
            total += layers * token_bytes(group, cache_type, load.tensor_parallel) * _tokens(group, load, rules, block)
    return total


def checkpoint_bytes(groups: tuple[LayerGroup, ...], cache_type: CacheType, load: CacheLoad) -> int:
    """Return a copy of what one request's layers keep beside the past of every token: windows and states."""
    total = 0
    for group in groups:
        if group.attention is AttentionKind.RECURRENT:
            total += group.layers * group.state_bytes
        elif group.attention is AttentionKind.SLIDING:
            window = min(group.window, load.context_tokens)
            total += group.layers * window * token_bytes(group, cache_type, 1)
    return total


def token_bytes(group: LayerGroup, cache_type: CacheType, tensor_parallel: int) -> int:
    """Return what one token takes in one layer on one device. A latent vector is on every device whole."""
    if group.attention is AttentionKind.LATENT:
        return cache_type.row(group.key_dim) + cache_type.row(group.value_dim)
    heads = -(-group.kv_heads // tensor_parallel)  # fewer KV heads than devices: each device has a copy of one
    return heads * (cache_type.row(group.key_dim) + cache_type.row(group.value_dim))


def _tokens(group: LayerGroup, load: CacheLoad, rules: CacheRules, block: int) -> int:
    """Return the tokens kept for all requests."""
    size = max(block, rules.latent_block_tokens) if group.attention is AttentionKind.LATENT else block
    whole = _rounded(load.context_tokens, size)
    if group.attention is not AttentionKind.SLIDING or not rules.has_windows:
        return load.concurrency * whole
    if rules.is_window_per_request:
        return load.concurrency * min(whole, _rounded(group.window + load.batch_tokens, size))
    # A window begins anywhere in its first block, hence one block more; the batch is shared by all requests.
    per_request = min(whole, _rounded(group.window, size) + size)
    return min(load.concurrency * whole, load.concurrency * per_request + _rounded(load.batch_tokens, size))


def _block_tokens(groups: tuple[LayerGroup, ...], cache_type: CacheType, load: CacheLoad, rules: CacheRules) -> int:
    states = [group.state_bytes for group in groups if group.attention is AttentionKind.RECURRENT]
    if not rules.has_aligned_pages or not states:
        return rules.block_tokens
    rows = [
        token_bytes(group, cache_type, load.tensor_parallel)
        for group in groups
        if group.attention not in (AttentionKind.RECURRENT, AttentionKind.NONE)
    ]
    if not rows:
        return rules.block_tokens
    return _rounded(-(-_shared(max(states), load) // max(rows)), rules.block_tokens)


def _states(
    groups: tuple[LayerGroup, ...], group: LayerGroup, cache_type: CacheType, load: CacheLoad, rules: CacheRules
) -> int:
    """Return the bytes of all requests' states in one layer."""
    state = _shared(group.state_bytes, load)
    if rules.has_aligned_pages:
        block = _block_tokens(groups, cache_type, load, rules)
        pages = (
            block * token_bytes(other, cache_type, load.tensor_parallel)
            for other in groups
            if other.attention not in (AttentionKind.RECURRENT, AttentionKind.NONE)
        )
        state = max((state, *pages))
    return load.concurrency * rules.states_per_request * state


def _shared(size_bytes: int, load: CacheLoad) -> int:
    return -(-size_bytes // load.tensor_parallel)


def _rounded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
