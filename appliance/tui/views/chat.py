"""A conversation: who said what, the reasoning folded and told apart from the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _, current_language
from appliance.ops.conversation import Finish, Manner
from appliance.tui.drawing import BLANK, Line, Span, clean, section, wrap
from appliance.tui.glyphs import Glyphs
from appliance.tui.words import tokens_per_second


@dataclass(frozen=True)
class Turn:
    """A question and what came of it."""

    number: int
    question: str
    reasoning: str = ""
    answer: str = ""
    end: Finish | None = None
    error: ApplianceError | None = None
    stopped: bool = False

    @property
    def running(self) -> bool:
        """Whether more may come."""
        return self.end is None and self.error is None and not self.stopped


@lru_cache(maxsize=512)
def _lines(turn: Turn, width: int, glyphs: Glyphs, folded: bool, language: str) -> list[Line]:
    """Of a turn that is over; only the one under way is wrapped afresh at each piece."""
    return _turn(turn, width, glyphs, folded)


def transcript(turns: Sequence[Turn], width: int, glyphs: Glyphs, *, folded: bool) -> list[Line]:
    """All turns, one after the other."""
    lines: list[Line] = []
    for turn in turns:
        if turn.running:
            lines += _turn(turn, width, glyphs, folded)
        else:
            lines += _lines(turn, width, glyphs, folded, current_language())
        lines.append(BLANK)
    return lines


def _turn(turn: Turn, width: int, glyphs: Glyphs, folded: bool) -> list[Line]:
    question = wrap(clean(turn.question), width - 2)
    lines: list[Line] = [(Span(f"{glyphs.cursor} {text}", "user"),) for text in question]
    lines += _reasoning(turn, width, glyphs, folded)
    if turn.answer:
        lines += [(Span(text),) for text in wrap(clean(turn.answer.strip()), width)]
    if turn.running and not turn.answer and not turn.reasoning:
        lines.append((Span(_("waiting for the first token"), "dim"),))
    return [*lines, *_ending(turn, width)]


def _reasoning(turn: Turn, width: int, glyphs: Glyphs, folded: bool) -> list[Line]:
    text = clean(turn.reasoning.strip())
    if not text:
        return []
    texts = wrap(text, width - 2)
    thinking = turn.running and not turn.answer
    mark = glyphs.folded if folded else glyphs.unfolded
    title = _("thinking") if thinking else _("thought")
    lines: list[Line] = [(Span(f"{mark} {title} ({len(texts)})", "reasoning"),)]
    if folded:
        return lines + ([(Span(f"{glyphs.side} {texts[-1]}", "reasoning"),)] if thinking else [])
    return lines + [(Span(f"{glyphs.side} {line}", "reasoning"),) for line in texts]


def _ending(turn: Turn, width: int) -> list[Line]:
    if turn.error:
        hint = f"  {turn.error.hint}" if str(turn.error.hint) else ""
        lines: list[Line] = [(Span(t, "fail"),) for t in wrap(str(turn.error), width)]
        return lines + ([(Span(t, "dim"),) for t in wrap(hint.strip(), width)] if hint else [])
    if turn.stopped:
        return [(Span(_("stopped"), "warn"),)]
    if turn.end is None:
        return []
    text = _("first token {first} s, {speed}, {tokens} tokens").format(
        first=f"{turn.end.first_token_s:.2f}",
        speed=tokens_per_second(turn.end.decode_tps),
        tokens=turn.end.tokens,
    )
    if turn.end.reason == "length":
        text += _("; cut off: the context is full")
    return [(Span(text, "dim"),)]


def manner(held: Manner) -> str:
    """What differs from the model's own manner, in a few words."""
    parts = [_("system prompt")] if held.system else []
    if held.temperature is not None:
        parts.append(_("temperature {value:g}").format(value=held.temperature))
    return ", ".join(parts)


def heading(model: str | None, width: int, glyphs: Glyphs, note: str) -> Line:
    """Who answers."""
    return section(model or _("no model serves yet"), width, glyphs, note)


def welcome(model: str | None) -> list[Line]:
    """What an empty conversation shows."""
    if model is None:
        return [
            (Span(_("Nothing serves yet, so nobody can answer."), "strong"),),
            (Span(_("F1 shows the keys; Esc, then 2 leads to the main job."), "dim"),),
        ]
    return [
        (Span(_("Ask something. Enter sends, Ctrl+J begins a new line."), "strong"),),
        (Span(_("The conversation stays in this window and is stored nowhere."), "dim"),),
    ]
