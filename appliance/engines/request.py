"""What a plan asks an engine to do."""

from __future__ import annotations

from appliance.core.inventory import Card, Document

DEFAULT_UBATCH = 512


class EngineRequest(Document, frozen=True, kw_only=True):
    """One replica: this model, for so many conversations, on these cards, at this port.

    `context` is what one conversation gets; the engine keeps `context * slots` tokens in all.
    `model_path` is the file or directory that the engine opens (of a split GGUF the first part).
    """

    recipe: str
    model_path: str
    alias: str
    port: int
    context: int
    slots: int = 1
    kv_type: str = "f16"
    ubatch: int = DEFAULT_UBATCH
    threads: int | None = None
    """Threads of a CPU engine; `None` lets it take the physical cores it may use."""
    cards: list[Card] = []
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    host_layers: int = 0
    """Layers, from the first, whose experts stay in host memory."""
    cpus: list[int] = []
    """Processors to keep it on, near its cards; empty means all."""
    log_path: str | None = None
    family: str | None = None
    """Catalogue id of the family; it picks the reasoning and tool parsers."""
    architecture: str | None = None
    """GGUF name of the architecture (`qwen2`, `deepseek2` …), also for safetensors."""
    quant: str | None = None
    """The variant's quantization in lower case, such as `q4_k_m`, `fp8`, `w8a8`."""
    model_class: str | None = None
    """The class (classes.toml) of weights outside the catalogue, that have no family."""
    cache_mib: int | None = None
    """Memory for the context of all conversations, where the recipe's engine has to be told."""
