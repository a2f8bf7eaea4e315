"""A fixed question whose answer tells a card or a file that computes wrongly.

The question is a sentence to complete, greedily: every language model of any use knows how it goes
on, with and without a chat template. What a model said the first time it was proven is its
reference; a model that is known to be good is held against what anybody knows.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from difflib import SequenceMatcher

import msgspec

from appliance.core.documents import prepare
from appliance.core.i18n import Text, say
from appliance.core.inventory import Document
from appliance.core.loopback import LOOPBACK, no_tls

PROMPT = "The capital of France is"
EXPECTED = "Paris"
_TOKENS = 24
_LONGEST_UNIT = 8
_REPEATED = 0.8
_MOST_MANGLED = 0.05
_LEAST_ENTROPY_BITS = 1.2
_ENOUGH_CHARACTERS = 16
_ALIKE = 0.3
"""Below this share of common text, two greedy answers of one model have nothing in common."""


class Reference(Document, frozen=True, kw_only=True):
    """What a model said when it was proven, and when that was (RFC 3339)."""

    answer: str
    at: str

    @property
    def knows(self) -> bool:
        """Whether it knew the answer then."""
        return EXPECTED in self.answer


def ask(port: int, model: str, *, timeout_s: float = 120.0) -> str | None:
    """The model's continuation; `None` when the engine does not offer or finish one."""
    import httpx

    body = {"model": model, "prompt": PROMPT, "max_tokens": _TOKENS, "temperature": 0, "seed": 0}
    try:
        reply = httpx.post(
            f"http://{LOOPBACK}:{port}/v1/completions",
            json=body,
            timeout=timeout_s,
            trust_env=False,
            verify=no_tls(),
        )
        return _text_of(reply.content) if reply.status_code == 200 else None
    except httpx.HTTPError:
        return None


def wrong(answer: str, reference: Reference | None, *, known_good: bool) -> Text | None:
    """What is wrong with `answer`; `None` when nothing is.

    Without a reference only a model that is `known_good` can be judged: others may never have known
    better.
    """
    if reference is None and not known_good:
        return None
    fault = garbage(answer)
    if fault and (reference is None or not garbage(reference.answer)):
        return fault
    expects = reference.knows if reference else known_good
    if expects and EXPECTED not in answer:
        return say("asked for the capital of France it said '{answer}'", answer=_short(answer))
    if reference and not expects and _likeness(answer, reference.answer) < _ALIKE:
        return say(
            "it said '{answer}' where it once said '{before}'",
            answer=_short(answer),
            before=_short(reference.answer),
        )
    return None


def garbage(answer: str) -> Text | None:
    """Whether a text is what broken arithmetic makes: nothing, mangled, or one thing for ever."""
    text = answer.strip()
    if not text:
        return say("it said nothing")
    if _mangled(text) > _MOST_MANGLED:
        return say("it said what is no text: '{answer}'", answer=_short(text))
    if len(text) >= _ENOUGH_CHARACTERS and (
        _repeated(text) >= _REPEATED or _entropy_bits(text) < _LEAST_ENTROPY_BITS
    ):
        return say("it repeated itself: {answer}", answer=_short(text))
    return None


def _mangled(text: str) -> float:
    """The share of replacement, control, unassigned and private characters."""
    bad = sum(c == "\ufffd" or unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") for c in text)
    return (bad - text.count("\n") - text.count("\t")) / len(text)


def _repeated(text: str) -> float:
    """The largest share of `text` that equals what stood one short unit before."""
    return max(
        sum(a == b for a, b in zip(text, text[unit:], strict=False)) / (len(text) - unit)
        for unit in range(1, min(_LONGEST_UNIT, len(text) - 1) + 1)
    )


def _entropy_bits(text: str) -> float:
    """Shannon entropy of a character; English prose has about 4 bits."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _short(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text.strip())
    return shown[:80] or "-"


class _Choice(msgspec.Struct):
    text: str


class _Completion(msgspec.Struct):
    choices: list[_Choice]


prepare(_Completion)


def _text_of(content: bytes) -> str | None:
    try:
        choices = msgspec.json.decode(content, type=_Completion).choices
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return choices[0].text if choices else None
