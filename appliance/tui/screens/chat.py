"""Chat: streaming, stop, retry, fold, another model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message as Event
from textual.widget import Widget
from textual.widgets import TextArea

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.core.status import SERVING
from appliance.ops.conversation import Finish, Manner, Message, Piece
from appliance.tui.drawing import Line, fit_line
from appliance.tui.messages import Heard
from appliance.tui.screens.manner import ChatManner
from appliance.tui.screens.place import Place
from appliance.tui.views import chat as view
from appliance.tui.views.chat import Turn
from appliance.tui.widgets import Canvas, Reader
from appliance.tui.words import tokens_per_second

_PICTURES_PER_SECOND = 8


class Composer(TextArea):
    """Where a question is written: Enter sends it, Ctrl+J or a paste makes lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,shift+enter,alt+enter", "newline", show=False, priority=True)
    ]

    class Sent(Event):
        """The operator asks this."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.prevent_default()
            event.stop()
            self.post_message(self.Sent(self.text.strip()))
            return
        if event.key == "escape":
            return
        await super()._on_key(event)

    def action_newline(self) -> None:
        """A new line in the question."""
        self.insert("\n")


class ChatScreen(Place):
    """One conversation with one deployment."""

    place = "chat"

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Turn] = []
        self.folded = True
        self.manner = Manner()
        self._cancel = threading.Event()
        self._number = 0

    def body(self) -> Iterator[Widget]:
        """Who answers, the transcript, the line of input."""
        yield Canvas(self._heading, id="heading", classes="line body")
        yield Reader(self._transcript, id="transcript")
        yield Composer(id="composer", compact=True, show_line_numbers=False)

    def on_mount(self) -> None:
        """Type at once."""
        composer = self.query_one(Composer)
        composer.cursor_blink = False
        composer.focus()
        self.query_one(Reader).follows = True

    def arrive(self) -> None:
        """What is typed next is a question again, not a row of keys."""
        self.do_write()

    @property
    def model(self) -> str | None:
        """The name that answers: that of the chosen deployment, else the first that serves."""
        every, serving = self.appliance.snapshot.deployments, self._serving()
        chosen = [d.name for d in every if d.id == self.appliance.deployment]
        return next((name for name in [*chosen, *serving] if name in serving), None)

    def _serving(self) -> list[str]:
        every = self.appliance.snapshot.deployments
        return list(dict.fromkeys(d.name for d in every if d.state in SERVING))

    def _heading(self, width: int, height: int) -> list[Line]:
        last = self.turns[-1] if self.turns else None
        note = view.manner(self.manner)
        if last and last.running:
            note = _("answering")
        elif last and last.end:
            note = _("{manner}first word {seconds:.1f} s, {speed}").format(
                manner=f"{note}, " if note else "",
                seconds=last.end.first_token_s,
                speed=tokens_per_second(last.end.decode_tps),
            )
        return [fit_line(view.heading(self.model, width, self.appliance.glyphs, note), width)]

    def _transcript(self, width: int, height: int) -> list[Line]:
        if not self.turns:
            return view.welcome(self.model)
        return view.transcript(self.turns, width, self.appliance.glyphs, folded=self.folded)

    def on_text_area_changed(self) -> None:
        """The line of input grows up to six lines."""
        composer = self.query_one(Composer)
        composer.styles.height = min(6, max(1, composer.wrapped_document.height)) + 1

    def on_composer_sent(self, event: Composer.Sent) -> None:
        """Ask, unless an answer is still coming."""
        if not event.text or (self.turns and self.turns[-1].running):
            return
        self.query_one(Composer).clear()
        self.ask(event.text)

    def ask(self, question: str) -> None:
        """Begin a turn; its pieces arrive as `Heard`."""
        self._number += 1
        self._cancel = threading.Event()
        history = self._messages()
        self.turns.append(Turn(self._number, question))
        self.query_one(Reader).follows = True
        arguments = (self._number, [*history, Message("user", question)], self.model, self._cancel)
        threading.Thread(target=self._listen, args=arguments, daemon=True).start()
        self.redraw()

    def _messages(self) -> list[Message]:
        messages: list[Message] = []
        for turn in self.turns:
            if turn.answer:
                messages.append(Message("user", turn.question))
                messages.append(Message("assistant", turn.answer))
        return messages

    def _listen(
        self, number: int, messages: list[Message], model: str | None, cancel: threading.Event
    ) -> None:
        """In a thread: pass pieces on in bundles; closing the stream ends the generation."""
        bundle: list[Piece] = []
        told = time.monotonic()
        try:
            for piece in self.appliance.converse(messages, model, self.manner):
                if cancel.is_set():
                    return
                if isinstance(piece, Finish):
                    self.post_message(Heard(number, tuple(bundle), end=piece))
                    return
                bundle.append(piece)
                if time.monotonic() - told >= 1 / _PICTURES_PER_SECOND:
                    self.post_message(Heard(number, tuple(bundle)))
                    bundle, told = [], time.monotonic()
        except ApplianceError as error:
            self.post_message(Heard(number, tuple(bundle), error=error))

    def on_heard(self, message: Heard) -> None:
        """Add to the turn that it belongs to, if that one still listens."""
        if not self.turns or self.turns[-1].number != message.turn or self.turns[-1].stopped:
            return
        turn = self.turns[-1]
        reasoning = "".join(p.text for p in message.pieces if p.kind == "reasoning")
        answer = "".join(p.text for p in message.pieces if p.kind == "answer")
        self.turns[-1] = replace(
            turn,
            reasoning=turn.reasoning + reasoning,
            answer=turn.answer + answer,
            end=message.end,
            error=message.error,
        )
        self.redraw()

    def do_halt(self) -> None:
        """End the answer that is coming; without one, leave the line of input."""
        if self.turns and self.turns[-1].running:
            self._cancel.set()
            self.turns[-1] = replace(self.turns[-1], stopped=True)
            self.redraw()
        elif self.query_one(Composer).has_focus:
            self.query_one(Reader).focus()
        else:
            self.appliance.do_go_home()

    def do_write(self) -> None:
        """Back to the line of input."""
        self.query_one(Composer).focus()

    def do_fold(self) -> None:
        """Show or hide all reasoning."""
        self.folded = not self.folded
        self.redraw()

    def do_retry(self) -> None:
        """The last question again, its answer forgotten."""
        if self.turns:
            self._cancel.set()
            self.ask(self.turns.pop().question)

    def do_fresh(self) -> None:
        """Forget everything."""
        self._cancel.set()
        self.turns.clear()
        self.redraw()

    def do_model(self) -> None:
        """The next model that is served."""
        serving = self._serving()
        if self.model in serving:
            at = serving.index(self.model)
            self.appliance.deployment = serving[(at + 1) % len(serving)]
            self.redraw()

    def do_manner(self) -> None:
        """What the model is to heed, and how freely it speaks."""
        self.app.push_screen(ChatManner(self.manner), self._hold)

    def _hold(self, manner: Manner | None) -> None:
        if manner is not None:
            self.manner = manner
            self.redraw()

    def do_save(self) -> None:
        """The conversation as Markdown in the current directory."""
        if not self.turns:
            self.app.notify(_("nothing was said yet"), severity="warning")
            return
        name = time.strftime("chat-%Y%m%d-%H%M%S.md")
        parts = [f"**{turn.question}**\n\n{turn.answer.strip()}\n" for turn in self.turns]
        self.appliance.save(Path(name), "\n".join(parts))

    def text(self) -> str:
        """What copying gives: the last answer."""
        return self.turns[-1].answer.strip() if self.turns else ""
