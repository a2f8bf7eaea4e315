"""plan/1: what could run where, what it takes, how fast it will be, and what cannot."""

from __future__ import annotations

from typing import Literal

from appliance.core.inventory import Document

Style = Literal["chat", "documents", "code"]
Pick = Literal["quality", "balanced", "fastest"]


class Wish(Document, frozen=True, kw_only=True):
    """What the operator asked for. `context` is the tokens of one conversation.

    `style` says what people do with it; `None` values of the three assumptions (tokens of a prompt,
    tokens of an answer, seconds between an answer and the next question) are those of the style.
    `first_word_s` is how long people would wait for the first word of an answer.
    """

    model: str | None = None
    users: int = 1
    context: int | None = None
    style: Style = "chat"
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    think_time_s: float | None = None
    first_word_s: float | None = None


class CardMemory(Document, frozen=True, kw_only=True):
    """Memory on one card (or, with the id `cpu`, in the host)."""

    id: str
    weights_mib: float
    kv_mib: float
    compute_mib: float
    overhead_mib: float
    total_mib: float
    available_mib: float | None


class Memory(Document, frozen=True, kw_only=True):
    """`method` is `engine` where the engine itself sized it, `formula` otherwise."""

    per_card: list[CardMemory]
    host_mib: float
    method: Literal["engine", "formula"]


class Speed(Document, frozen=True, kw_only=True):
    """Predicted (or, with the method `measured`, observed) speed.

    The ranges are where nine of ten such predictions end up (of the first token: eight of ten);
    `predicted_tps_one` is what was foretold where a measurement has taken its place.
    """

    decode_tps_one: float | None = None
    decode_tps_all: float | None = None
    prefill_tps: float | None = None
    first_token_s: float | None = None
    method: str = "roofline"
    decode_tps_one_range: tuple[float, float] | None = None
    decode_tps_all_range: tuple[float, float] | None = None
    first_token_s_range: tuple[float, float] | None = None
    predicted_tps_one: float | None = None


class People(Document, frozen=True, kw_only=True):
    """What a choice means to those who chat: `users` of them at once, under the wish's assumptions.

    `users` is how many it carries before the first word takes longer than the wish allows, or words
    come slower than people read; `first_word_s` and `words_per_s` are what each of them sees then.
    `most_users` is how many it could be planned for on the same server.
    """

    users: int
    first_word_s: float | None
    words_per_s: float | None
    most_users: int | None = None


class Form(Document, frozen=True, kw_only=True):
    """What an engine is told of weights outside the catalogue.

    `architecture` is llama.cpp's name of it, `model_class` a class of classes.toml.
    """

    architecture: str
    quant: str
    model_class: str


class Choice(Document, frozen=True, kw_only=True):
    """One thing that could run. The engine's n_ctx is `context * slots`.

    `pick` marks the three worth showing, `gives_up` what each lacks beside the others.
    `host_layers` is how many layers keep their experts in the host's memory. `form` is of
    safetensors outside the catalogue, `null` for everything else.
    """

    model: str
    variant: str
    engine: str
    recipe: str
    cards: list[str]
    tensor_parallel: int = 1
    """Cards that compute together; where a recipe shares a layer by fewer, in groups of them."""
    pipeline_parallel: int = 1
    replicas: int = 1
    context: int
    slots: int
    kv_type: str = "f16"
    ubatch: int = 512
    fits: bool
    memory: Memory
    speed: Speed
    disk_mib: float | None = None
    download_mib: float | None = None
    why: list[str] = []
    pick: Pick | None = None
    gives_up: list[str] = []
    people: People | None = None
    host_layers: int = 0
    form: Form | None = None


class Improvement(Document, frozen=True, kw_only=True):
    """What more hardware would buy: `what` is added, `choice` becomes possible."""

    what: str
    model: str
    variant: str
    text: str


class Rejection(Document, frozen=True, kw_only=True):
    """Something that will not run here, with the reason and the way out."""

    variant: str
    engine: str
    code: str
    reason: str
    advice: str


class Plan(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.plan/1"):
    """Choices, best first."""

    wish: Wish
    choices: list[Choice]
    rejected: list[Rejection] = []
    improvements: list[Improvement] = []
