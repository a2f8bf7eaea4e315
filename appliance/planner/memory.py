"""What llama.cpp takes: cache and compute buffers, by formulas.

The formulas reproduce llama.cpp's own figures (held against them in `benchmarks/planner.py`); bytes
are per element of the cache's type. Where they are not good enough (V3.2, V4) the engine is asked
for the chosen ones, and these are what a sweep over the whole catalogue uses.
"""

from __future__ import annotations

import msgspec

from appliance.catalog.architecture import Architecture
from appliance.catalog.ggml import BYTES_PER_ELEMENT
from appliance.catalog.models import MIB

CONTEXT_STEP = 256
STATE_BYTES = 8
"""Of one element of a compressor: value and score in F32."""
"""llama.cpp rounds contexts up to a multiple of this."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is started. `context` is the tokens of all slots together."""

    context: int
    slots: int = 1
    kv_type: str = "f16"
    ubatch: int = 512
    flash_attention: bool = True

    @property
    def slot_context(self) -> int:
        """Tokens of one slot, as llama.cpp rounds them."""
        return padded(-(-self.context // self.slots))

    @property
    def bytes(self) -> float:
        """Bytes of an element of the cache."""
        return BYTES_PER_ELEMENT[self.kv_type]


def padded(tokens: int) -> int:
    """`tokens` up to the next multiple of 256."""
    return -(-tokens // CONTEXT_STEP) * CONTEXT_STEP


def kv_mib(a: Architecture, setup: Setup) -> float:
    """The cache of all slots, of V4 with the compressors' state."""
    if a.compress_ratios:
        return _compressed_kv_mib(a, setup)
    tokens = setup.slot_context * setup.slots
    if a.is_mla and not a.legacy_cache:
        width = (a.kv_lora or 0) + (a.rope_dim or 0) + (a.indexer_dim or 0)
        return a.layers * tokens * width * setup.bytes / MIB
    return a.layers * tokens * _kv_width(a) * setup.bytes / MIB


def _kv_width(a: Architecture) -> int:
    """Elements of keys and values of one token in one layer."""
    if a.is_mla:
        return a.heads * ((a.nope_dim or 0) + (a.rope_dim or 0) + (a.value_dim or 0))
    return a.kv_heads * (a.head_dim or a.hidden // a.heads) * 2


def _compressed_kv_mib(a: Architecture, setup: Setup) -> float:
    """V4: a window of every token, and two kinds of compressed ones; per slot, state included."""
    width, indexer = a.head_dim or 0, a.indexer_dim or 0
    s = setup.slot_context
    dense, sparse = a.compress_ratios.count(4), a.compress_ratios.count(128)
    elements = a.layers * width * padded((a.sliding_window or 0) + setup.ubatch)
    elements += dense * (width + indexer) * padded(-(-s // 4))
    elements += sparse * width * padded(-(-s // 128))
    state = 16 * dense * (width + indexer) + 128 * sparse * width
    return setup.slots * (elements * setup.bytes + state * STATE_BYTES) / MIB


def compute_mib(a: Architecture, setup: Setup, *, on_card: bool) -> float:
    """The compute buffer of one device. `on_card` is any device but the processor."""
    if a.compress_ratios:
        return _compressed_compute_mib(a, setup)
    if a.indexer_dim:
        return _indexer_compute_mib(a, setup)
    per_token = _mla_elements(a, setup) if a.is_mla else _dense_elements(a, setup)
    output = a.vocab + (1 if on_card else 2) * a.hidden
    if setup.kv_type not in ("f16", "bf16", "f32"):
        output += a.hidden
    if a.is_mla and not a.q_lora:
        output = a.vocab + (4 + (a.experts_used or 0)) * a.hidden + 2 * (a.experts or 0)
    return 4 * setup.ubatch * max(output, per_token) / MIB


def output_mib(a: Architecture, setup: Setup) -> float:
    """Scores of every word for every token of a micro-batch: the most a caller may ask for."""
    streams = a.hyper_connections or 0
    return 4 * setup.ubatch * (a.vocab + (streams + 2) * a.hidden) / MIB


def _dense_elements(a: Architecture, setup: Setup) -> float:
    """F32 elements a token in the widest layer of attention or feed-forward."""
    if not setup.flash_attention:
        keys = a.kv_heads * (a.head_dim or a.hidden // a.heads)
        return setup.slot_context * (a.heads + 1) + 5 * a.hidden + 2 * keys
    wide = 4 if setup.kv_type in ("f16", "bf16", "f32") else 3
    return 3 * a.feed_forward + wide * a.hidden + setup.slot_context / 2


def _mla_elements(a: Architecture, setup: Setup) -> float:
    kv_lora, rope = a.kv_lora or 0, a.rope_dim or 0
    head = (a.nope_dim or 0) + rope + (a.value_dim or 0) + (kv_lora + rope) + kv_lora
    if not setup.flash_attention:
        return setup.slot_context * (a.heads + 1) + 4 * a.hidden + (head - rope) * a.heads
    if a.legacy_cache:
        return a.vocab + 4 * a.hidden
    routed = ((a.experts_used or 0) + 1.25) * a.hidden if not a.q_lora else 0
    return 4 * a.hidden + head * a.heads + routed + setup.slot_context / 2


def _indexer_compute_mib(a: Architecture, setup: Setup) -> float:
    """V3.2 with the fused indexer: fitted to llama.cpp's own figures, 5 % above at most."""
    if not setup.flash_attention:
        return 4 * setup.ubatch * _mla_elements(a, setup) / MIB + 290
    return setup.ubatch / 512 * max(668.0, 704 + 0.00287 * setup.slot_context)


def _compressed_compute_mib(a: Architecture, setup: Setup) -> float:
    """V4 with the fused indexer: fitted to llama.cpp's figures, high for large micro-batches."""
    if not setup.flash_attention:
        return 4 * setup.ubatch * setup.slot_context * a.heads * 1.25 / MIB
    fixed = 0.0665 * a.hidden
    linear = fixed + 0.00115 * setup.slot_context
    long = fixed - 96 + 0.00154 * setup.slot_context
    return max(setup.ubatch / 512 * max(linear, long), output_mib(a, setup))
