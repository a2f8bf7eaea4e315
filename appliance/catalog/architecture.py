"""The numbers of a model's architecture, complete enough to size it and to compose its header."""

from __future__ import annotations

import msgspec


class Architecture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tensors that several families share. Lengths are elements, sizes MiB.

    `gguf` and `hf` are the names that llama.cpp and transformers give it. `gguf_mib` holds the size
    of all tensors at each stock GGUF quantization, token embedding included, as llama.cpp's own
    quantizer computes it; `safetensors_mib` the same for formats of other engines. `marks` names
    the numbers that are not certain, and why.
    """

    id: str
    gguf: str
    hf: str
    parameters_b: float
    active_b: float
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int | None = None
    feed_forward: int
    vocab: int
    context_train: int
    norm_epsilon: float
    rope_base: float
    rope_factors: int | None = None
    yarn_factor: float | None = None
    tied_embeddings: bool = False

    q_lora: int | None = None
    kv_lora: int | None = None
    rope_dim: int | None = None
    nope_dim: int | None = None
    value_dim: int | None = None
    legacy_cache: bool = False
    """A conversion from before April 2025: keys and values are cached whole, 71 times as much."""

    experts: int | None = None
    experts_used: int | None = None
    experts_shared: int | None = None
    expert_feed_forward: int | None = None
    expert_gating: int | None = None
    expert_bias: bool = False
    dense_layers: int = 0

    indexer_heads: int | None = None
    indexer_dim: int | None = None
    indexer_top_k: int | None = None

    sliding_window: int | None = None
    compress_ratios: list[int] = []
    kv_sources: list[int] = []
    """Layers whose compressed cache the layers after them share (V4.1)."""
    o_lora: int | None = None
    o_groups: int | None = None
    hash_layers: int | None = None
    hyper_connections: int | None = None

    mtp_b: float | None = None
    engram_b: float | None = None
    gguf_mib: dict[str, float] = {}
    safetensors_mib: dict[str, float] = {}
    marks: dict[str, str] = {}
    checked: str = ""

    @property
    def is_mla(self) -> bool:
        """Whether the cache holds one compressed vector a token instead of keys and values."""
        return self.kv_lora is not None

    @property
    def is_moe(self) -> bool:
        """Whether a token reads only some of the experts."""
        return self.experts is not None

    @property
    def is_indexed(self) -> bool:
        """Whether an indexer chooses what a token reads of the cache (V3.2, V4)."""
        return self.indexer_heads is not None

    def tensor_mib(self, form: str, quant: str) -> float | None:
        """Size of all tensors in this format (`gguf` or `safetensors`) and quantization."""
        return (self.gguf_mib if form == "gguf" else self.safetensors_mib).get(quant)
