"""The catalogue and the store: what is here, what fits, how fast it would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.core.i18n import _, say
from appliance.core.plan import Choice, Rejection
from appliance.ops.models import ModelRow
from appliance.tui.drawing import BLANK, Line, Span, fit, meter, named, section, wrap
from appliance.tui.scene import Scene
from appliance.tui.table import Column, arrange, whole
from appliance.tui.words import Word, gib, share, size, tokens_per_second, unknown

COLUMNS = (
    Column("id", say("model"), 24, 46, snug=True),
    Column("size", say("size"), 8, 9, align="right"),
    Column("licence", say("licence"), 8, 12, rank=5),
    Column("speed", say("one user"), 12, 13, rank=3, align="right"),
    Column("all", say("all users"), 12, 13, rank=4, align="right"),
    Column("memory", say("memory"), 18, 40, rank=6),
    Column("here", say("here"), 4, 6, rank=1),
    Column("fits", say("fits"), 11, 12),
)
FITS = Word(say("fits"), "ok", "ok")
SLOW = Word(say("slow here"), "warn", "warn")
TOO_BIG = Word(say("too big"), "fail", "dim")
NOT_HERE = Word(say("no engine"), "fail", "dim")
NOT_KNOWN = Word(say("not known"), "unknown", "dim")


@dataclass(frozen=True)
class Offer:
    """A model of the catalogue or the store, and what the planner says about it."""

    model: ModelRow
    choice: Choice | None = None
    rejection: Rejection | None = None
    meets_wish: bool = True

    @property
    def word(self) -> Word:
        """Whether it could run here."""
        if self.choice and self.choice.fits:
            return FITS if self.meets_wish else SLOW
        if self.choice:
            return TOO_BIG
        if self.rejection:
            return NOT_HERE if "ENGINE" in self.rejection.code else TOO_BIG
        return NOT_KNOWN


class Judged(Protocol):
    """How a variant would run here, or why it does not: one of the two is known."""

    @property
    def choice(self) -> Choice | None:
        """The best way to run it."""

    @property
    def rejection(self) -> Rejection | None:
        """Why it does not run."""

    @property
    def meets_wish(self) -> bool:
        """Whether it is fast enough for a few people."""


def offers(models: Sequence[ModelRow], verdicts: Mapping[str, Judged]) -> list[Offer]:
    """What is here first, then the best variant of each model, then what else fits, in the order
    of the verdicts; then the rest by size.
    """
    places = {variant: place for place, variant in enumerate(verdicts)}
    best: dict[str, str] = {}
    for variant in verdicts:
        best.setdefault(variant.partition(":")[0], variant)

    def offer(model: ModelRow) -> Offer:
        verdict = verdicts.get(model.id)
        if verdict is None:
            return Offer(model)
        return Offer(model, verdict.choice, verdict.rejection, verdict.meets_wish)

    def rank(offer: Offer) -> tuple[bool, bool, bool, int, int]:
        name, fits = offer.model.id, bool(offer.choice and offer.choice.fits)
        place = places.get(name, 0) if fits else 0
        second = best.get(name.partition(":")[0]) != name
        return (not offer.model.stored, not fits, second, place, offer.model.bytes or 0)

    return sorted(map(offer, models), key=rank)


def table(scene: Scene, offered: Sequence[Offer]) -> list[Line]:
    """One line a variant."""
    values = [_values(scene, offer) for offer in offered]
    room = arrange(COLUMNS, scene.width, values).get("memory", 0)
    for value, offer in zip(values, offered, strict=True):
        value["memory"] = _room(scene, offer, room)
    return whole(COLUMNS, values, scene.width)


def _room(scene: Scene, offer: Offer, width: int) -> Line:
    """How full the fullest of its cards would be."""
    cards = offer.choice.memory.per_card if offer.choice else []
    if width < 1 or not cards:
        return (Span(""),)
    fullest = max(cards, key=lambda card: share(card.total_mib, card.available_mib) or 0)
    text = f" {gib(fullest.total_mib)}/{gib(fullest.available_mib)}G"
    used = share(fullest.total_mib, fullest.available_mib)
    return (*meter(used, width - 12, scene.glyphs, "meter"), Span(fit(text, 12, "right")))


def _values(scene: Scene, offer: Offer) -> dict[str, Line]:
    speed = offer.choice.speed if offer.choice else None
    return {
        "id": (Span(offer.model.id, "strong" if offer.model.stored else ""),),
        "size": (Span(size(offer.model.bytes)),),
        "licence": (Span(offer.model.licence or unknown(), "dim"),),
        "speed": (Span(_about(speed.decode_tps_one if speed else None)),),
        "all": (Span(_about(speed.decode_tps_all if speed else None)),),
        "here": (Span(_("here") if offer.model.stored else "", "ok"),),
        "fits": offer.word.line(scene.glyphs),
    }


def _about(value: float | None) -> str:
    return unknown() if value is None else f"~{tokens_per_second(value)}"


def details(scene: Scene, offer: Offer | None) -> list[Line]:
    """What the chosen one would take, or why it cannot run."""
    if offer is None:
        return []
    title = offer.model.title
    lines: list[Line] = [section(title, scene.width, scene.glyphs, offer.model.format or "")]
    if offer.rejection:
        lines += _paragraph(scene, offer.rejection.reason, "")
        lines += _paragraph(scene, offer.rejection.advice, "dim")
    if offer.choice:
        lines += _memory(scene, offer.choice)
        lines += _speed(offer.choice)
        lines += _disk(offer)
        for why in offer.choice.why:
            lines += _paragraph(scene, why, "dim")
    return lines


def _paragraph(scene: Scene, text: str, style: str) -> list[Line]:
    return [(Span("  " + line, style),) for line in wrap(text, scene.width - 4)] if text else []


def _memory(scene: Scene, choice: Choice) -> list[Line]:
    lines: list[Line] = [
        named(
            _("engine"),
            _("{engine}, {slots} conversations of {context} tokens").format(
                engine=choice.engine, slots=choice.slots, context=f"{choice.context:,}"
            ),
        )
    ]
    for card in choice.memory.per_card[:4]:
        used = share(card.total_mib, card.available_mib)
        text = f"{gib(card.total_mib)}/{gib(card.available_mib)}G"
        bar = meter(used, min(40, scene.width - 34), scene.glyphs, "meter")
        name = Span("  " + fit(_("memory") if card is choice.memory.per_card[0] else "", 10), "dim")
        lines.append((name, *bar, Span(f"  {text}")))
    return lines


def _speed(choice: Choice) -> list[Line]:
    """With the range that such predictions end up in, unless it was measured."""
    speed = choice.speed
    if speed.decode_tps_one is None:
        return []
    text = tokens_per_second(speed.decode_tps_one)
    if speed.predicted_tps_one is not None:
        text += _(", measured here (foretold {value:.0f})").format(value=speed.predicted_tps_one)
    elif speed.decode_tps_one_range:
        low, high = speed.decode_tps_one_range
        text += _(" ({low:.0f} to {high:.0f})").format(low=low, high=high)
    if speed.decode_tps_all is not None:
        text += _("; together {speed}").format(speed=tokens_per_second(speed.decode_tps_all))
        if speed.decode_tps_all_range:
            low, high = speed.decode_tps_all_range
            text += _(" ({low:.0f} to {high:.0f})").format(low=low, high=high)
    return [named(_("speed"), text)]


def _disk(offer: Offer) -> list[Line]:
    if offer.model.stored:
        return [named(_("disk"), _("{size}, here").format(size=size(offer.model.bytes)))]
    return [named(_("disk"), _("{size} to fetch").format(size=size(offer.model.bytes)))]


def waiting(what: str) -> list[Line]:
    """While the answer is worked out."""
    return [BLANK, (Span("  " + what, "dim"),)]
