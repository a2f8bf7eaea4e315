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
"""llama.cpp rounds contexts up to a multiple of this."""
STATE_BYTES = 8
"""Of one element of a compressor: value and score in F32."""
V4_QUERY_COPIES = 3.78
"""Queries of all heads that V4's attention holds at a time, in F32."""
LEGACY_COPIES = 3.7
"""Keys and values of all heads that attention holds at a time, where they are cached whole."""
V4_KEY_BYTES = 2.4
"""Of a token of context for each token of a micro-batch: V4's masks and indexer scores."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is started. `context` is the tokens of all slots together.

    `unified`: one cache for all slots; `swa_full`: V4's window kept for the whole context. Engines
    that the appliance starts have neither, one that an operator brought may. `fused_indexer` is
    whether the backend computes the lightning indexer of V3.2 and V4 in one go.
    """

    context: int
    slots: int = 1
    kv_type: str = "f16"
    ubatch: int = 512
    flash_attention: bool = True
    unified: bool = False
    swa_full: bool = False
    fused_indexer: bool = True

    @property
    def slot_context(self) -> int:
        """Tokens that one slot may use, as llama.cpp rounds them."""
        return padded(self.context if self.unified else -(-self.context // self.slots))

    @property
    def tokens(self) -> int:
        """Tokens that a cache without compression holds."""
        return self.slot_context * (1 if self.unified else self.slots)

    @property
    def step(self) -> int:
        """Tokens computed in one go: a micro-batch is never longer than the context."""
        return min(self.ubatch, self.context)

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
    if a.is_mla and not a.legacy_cache:
        width = (a.kv_lora or 0) + (a.rope_dim or 0) + (a.indexer_dim or 0)
        return a.layers * setup.tokens * width * setup.bytes / MIB
    return a.layers * setup.tokens * _kv_width(a) * setup.bytes / MIB


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
    elements = a.layers * width * _window(a, setup)
    elements += dense * (width + indexer) * padded(-(-s // 4))
    elements += sparse * width * padded(-(-s // 128))
    state = 16 * dense * (width + indexer) + 128 * sparse * width
    return setup.slots * (elements * setup.bytes + state * STATE_BYTES) / MIB


def _window(a: Architecture, setup: Setup) -> int:
    """Tokens that V4 keeps uncompressed in one slot."""
    if setup.swa_full:
        return setup.slot_context
    return min(setup.slot_context, padded((a.sliding_window or 0) + setup.step))


def compute_mib(a: Architecture, setup: Setup, *, on_card: bool) -> float:
    """The compute buffer of one device. `on_card` is any device but the processor."""
    if a.compress_ratios:
        work, copies = _compressed_bytes(a, setup), _compressed_copies(a, setup)
    elif a.indexer_dim:
        work, copies = _indexer_bytes(a, setup), 0.0
    else:
        work, copies = 4 * (_mla_elements(a, setup) if a.is_mla else _dense_elements(a, setup)), 0.0
    if not setup.fused_indexer:
        work += _scores_bytes(a, setup)
    return max(setup.step * work / MIB + copies, output_mib(a, setup, on_card=on_card))


def host_compute_mib(a: Architecture, setup: Setup) -> float:
    """The host's buffer beside cards: states of a micro-batch, and its mask."""
    return 4 * setup.step * (a.hidden + setup.slot_context / 2) / MIB


def output_mib(a: Architecture, setup: Setup, *, on_card: bool) -> float:
    """Scores of every word for every token of a micro-batch: the most a caller may ask for."""
    elements = a.vocab + (1 if on_card and not a.indexer_dim else 2) * a.hidden
    if setup.kv_type not in ("f16", "bf16", "f32") and not a.indexer_dim:
        elements += a.hidden
    if a.is_mla and not a.q_lora:
        elements = a.vocab + (4 + (a.experts_used or 0)) * a.hidden + 2 * (a.experts or 0)
    return 4 * setup.step * elements / MIB


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
    routed = ((a.experts_used or 0) + 1.25) * a.hidden if not a.q_lora else 0
    if a.legacy_cache:
        widths = (a.nope_dim or 0) + rope + (a.value_dim or 0)
        wide = LEGACY_COPIES * widths * a.heads + routed + setup.slot_context / 2
        return max(wide, a.vocab + 4 * a.hidden)
    return 4 * a.hidden + head * a.heads + routed + setup.slot_context / 2


def _indexer_bytes(a: Architecture, setup: Setup) -> float:
    """V3.2 with the fused indexer, a token: fitted to the engine's figures, 6 % above at most."""
    c = setup.slot_context
    fixed = 1304 * 1024
    if not setup.flash_attention:
        return fixed + c * (4 * (a.heads + 1) + 12)
    more = 224 * 1024 if c > 8 * (a.indexer_top_k or 0) else 0
    return max(fixed + more + 4 * c, fixed + 8 * c)


def _scores_bytes(a: Architecture, setup: Setup) -> float:
    """The indexer's scores of every key for every head, twice: where no kernel keeps them inside.

    llama.cpp issue 25468 and pull request 24231: 127 GiB and 164 GiB, to the percent.
    """
    keys = -(-setup.slot_context // 4) if a.compress_ratios else setup.slot_context
    return 2 * 4 * (a.indexer_heads or 0) * keys


def _compressed_bytes(a: Architecture, setup: Setup) -> float:
    """V4 with the fused indexer, a token of a micro-batch."""
    s, queries = setup.slot_context, V4_QUERY_COPIES * 4 * a.heads * (a.head_dim or 0)
    if setup.flash_attention:
        streams, window = a.hyper_connections or 0, 4 * s if setup.swa_full else 0
        output = 4 * (a.vocab + (streams + 2) * a.hidden)
        return max(output, queries + V4_KEY_BYTES * s) + window
    keys = padded(-(-s // 4)) + padded(-(-s // 128)) + _window(a, setup)
    return queries + 4 * a.heads * keys


def _compressed_copies(a: Architecture, setup: Setup) -> float:
    """MiB for the keys of all slots, put together for attention."""
    keys = padded(-(-setup.slot_context // 4)) + (setup.slot_context if setup.swa_full else 0)
    return setup.slots * keys * (a.head_dim or 0) * setup.bytes / MIB
