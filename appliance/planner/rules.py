"""The planner's data (`rules.toml`), read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from appliance.core.documents import prepare


class Habits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person: tokens asked and answered, seconds between an answer and the next question."""

    prompt_tokens: int
    answer_tokens: int
    think_s: float


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one person chatting does (other styles in `style`), and the limits of a conversation.

    Lengths are tokens. `first_word_s` is the wait for the first word that a wish allows unless it
    says something else, `patience_s` what makes a choice unusable.
    """

    prompt_tokens: int
    answer_tokens: int
    tokens_in_use: int
    think_s: float
    patience_s: float
    first_word_s: float
    thinking_tps: float
    queued_most: float
    worth_of_stored: float
    worth_of_official: float
    worth_of_every_card: float
    worth_of_wait: float
    words_per_token: float
    characters_per_token: float
    slots_max: int
    context_default: int
    context_reasoning: int
    context_step: int
    context_min: int
    style: dict[str, Habits]


class CpuSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decoding on processors, and beside cards as a helper with the experts."""

    bandwidth_share: float
    moe_bandwidth_share: float
    core_gbs: float
    arm_bandwidth_share: float
    arm_core_gbs: float
    core_gflops: float
    moe_gflops_share: float
    socket_gain: float
    assumed_bandwidth_gbs: float
    layer_s: float
    large_layer_s: float
    helper_layer_s: float
    helper_link_gbs: float


class DraftSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drafting: the share of drafted tokens accepted after accepted ones, and what one costs."""

    accepted: float
    token_s: float
    source: str = ""


class RankSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How engines for safetensors run on cards of the architectures that `arch` matches.

    A layer takes `layer_factor` times as long as on the fastest cards and `layer_least_s` at least;
    the shared cache of MLA is read at `mla_share` of the bandwidth.
    """

    arch: str
    mla_share: float
    layer_factor: float = 1.0
    layer_least_s: float = 0.0
    source: str = ""


class TensorSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decoding with layers split inside, over all cards."""

    bandwidth_share: float
    expert_share: float
    small_expert_share: float
    small_quants: list[str]
    layer_s: float
    large_layer_s: float
    small_large_layer_s: float
    indexed_layer_s: float
    reduce_s: float
    linked_reduce_s: float
    reduce_gbs: float
    linked_reduce_gbs: float
    link_share: float
    fp16_share: float
    large_share: float
    small_large_share: float
    prompt_chunk: int
    card: list[RankSpeed]


class CardSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How llama.cpp reads on cards of the architectures that `arch` (a pattern) matches.

    Seconds for 10^9 bytes are `overhead` over the bandwidth, and `gb_s`.
    """

    arch: str
    overhead: float
    layer_s: float
    gb_s: float = 0.0
    prefill_share: float = 0.3
    source: str = ""


class SpeedRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Multiples of a prediction between which nine of ten measurements are."""

    low: float
    high: float


class SpeedRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Constants of the roofline."""

    moe_layer_s: float
    large_layer_s: float
    hop_s: float
    large_hop_s: float
    prefill_fp16_share: float
    prefill_moe_share: float
    prefill_large_share: float
    usable_tps: float
    enough_tps: float
    worth_of_twice: float
    assumed_bandwidth_gbs: float
    assumed_tflops_per_gbs: float
    card: list[CardSpeed]
    range: dict[str, SpeedRange]
    prompt_range: SpeedRange
    cpu: CpuSpeed
    draft: DraftSpeed
    tensor: TensorSpeed


class MemoryRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What no buffer of an engine shows, and what is left free."""

    cpu_overhead_mib: float
    vllm_cpu_mib: float
    vllm_cpu_word_kib: float
    cpu_reserve_mib: float
    shared_reserve_mib: float
    margin_pct: float
    v4_margin_pct: float
    v4_margin_mib: float
    gpu_memory_utilization: float
    overhead_mib: dict[str, float]
    context_mib: dict[str, float]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Refuses a combination of engine, card and variant. A condition left out matches all.

    `image` and those in `archs` and `cards_except` (names of cards) are patterns. `driver_below`
    and `runtime_below` are the versions from which on it works: a card that does not tell its
    version is not refused, but told.
    """

    code: str
    reason: str
    advice: str
    source: str
    engines: list[str] | None = None
    vendors: list[str] | None = None
    archs: list[str] | None = None
    format: str | None = None
    quants: list[str] | None = None
    quants_except: list[str] | None = None
    architectures: list[str] | None = None
    formats_lack: list[str] | None = None
    cards_except: list[str] | None = None
    image: str | None = None
    driver_below: str | None = None
    runtime_below: str | None = None


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `rules.toml`."""

    people: People
    speed: SpeedRules
    memory: MemoryRules
    quality: dict[str, float]
    block: dict[str, int]
    rule: list[Rule]


prepare(Rules)


@cache
def rules() -> Rules:
    """The rules that this version came with."""
    text = files("appliance.planner").joinpath("rules.toml").read_bytes()
    return msgspec.toml.decode(text, type=Rules)
