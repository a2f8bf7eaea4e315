"""Dialogs: a question, a line of input, the palette, help, a page of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from appliance.core.i18n import _
from appliance.tui.actions import Action
from appliance.tui.drawing import BLANK, Line, Span, clip, fit, wrap
from appliance.tui.views import help as help_view
from appliance.tui.widgets import Canvas, Reader, Rows

if TYPE_CHECKING:
    from appliance.tui.app import ApplianceApp

ESCAPE = Binding("escape", "dismiss(None)", show=False)


class Confirm(ModalScreen[bool]):
    """Says exactly what will happen. Cancel has the focus: the harmless answer always wins."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", show=False),
        Binding("y", "answer(True)", show=False),
        Binding("left,right,tab,shift+tab,h,l", "turn", show=False),
        Binding("enter,space", "choose", show=False),
    ]

    def __init__(self, question: str, consequence: str, verb: str) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence
        self._verb = verb
        self._yes = False

    def compose(self) -> ComposeResult:
        """One canvas in a box."""
        with Vertical(classes="box"):
            yield Canvas(self._draw, id="question")

    def on_mount(self) -> None:
        """As tall as its text."""
        width = 56
        rows = len(wrap(self._question, width)) + len(wrap(self._consequence, width)) + 3
        self.query_one(Canvas).styles.height = rows

    def _draw(self, width: int, height: int) -> list[Line]:
        yes, no = f"  {self._verb} (y)  ", "  " + _("Cancel (n)") + "  "
        buttons: Line = (
            Span(no, "button" if self._yes else "button_on", ""),
            Span("  "),
            Span(yes, "danger" if self._yes else "button", ""),
        )
        return [
            *((Span(text, "strong"),) for text in wrap(self._question, width)),
            BLANK,
            *((Span(text, "dim"),) for text in wrap(self._consequence, width)),
            BLANK,
            buttons,
        ]

    def action_turn(self) -> None:
        """To the other answer."""
        self._yes = not self._yes
        self.query_one(Canvas).redraw()

    def action_choose(self) -> None:
        """Take the answer that has the focus."""
        self.dismiss(self._yes)

    def action_answer(self, yes: bool) -> None:
        """Answer by its letter."""
        self.dismiss(yes)


class Ask(ModalScreen[str | None]):
    """One line of input at the bottom; Enter takes it, Esc does not."""

    BINDINGS: ClassVar[list[BindingType]] = [ESCAPE]

    def __init__(self, value: str = "", *, hint: str | None = None) -> None:
        super().__init__()
        self._value = value
        self._hint = hint or _("contains this text; ! in front turns it round")

    def compose(self) -> ComposeResult:
        """The line."""
        yield Input(self._value, placeholder=self._hint, id="ask", compact=True)

    def on_mount(self) -> None:
        """A blinking cursor costs bytes for nothing."""
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Done."""
        self.dismiss(event.value.strip())


class Palette(ModalScreen[str | None]):
    """Every action that works here, found by a part of its name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ESCAPE,
        Binding("down,ctrl+n", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
    ]

    def __init__(self, actions: list[Action]) -> None:
        super().__init__()
        self._actions = actions

    def compose(self) -> ComposeResult:
        """A line of input over the list."""
        with Vertical(classes="box wide"):
            yield Input(placeholder=_("name of a command"), compact=True)
            yield Rows(self._draw, lambda: [action.id for action in self._found()])

    def on_mount(self) -> None:
        """A blinking cursor costs bytes for nothing."""
        self.query_one(Input).cursor_blink = False
        self.query_one(Input).focus()

    def _found(self) -> list[Action]:
        wanted = self.query_one(Input).value.strip().lower()
        return [a for a in self._actions if wanted in f"{a.label} {a.id} {a.help}".lower()]

    def _draw(self, width: int, height: int) -> list[Line]:
        lines: list[Line] = [BLANK]
        for action in self._found():
            text = clip(str(action.help), width - 28)
            key = Span(fit(action.key, 7), "accent")
            name = Span(fit(str(action.label), 20), "strong")
            lines.append((key, name, Span(fit(text, width - 27), "dim")))
        return lines

    def action_move(self, by: int) -> None:
        """Another one of the list."""
        self.query_one(Rows).action_move(by)

    def on_input_changed(self) -> None:
        """Find again, from the top."""
        rows = self.query_one(Rows)
        rows.chosen = None
        rows.redraw()
        rows.refresh()

    def on_input_submitted(self) -> None:
        """Do the chosen one."""
        found = self._found()
        self.dismiss(found[self.query_one(Rows).cursor].id if found else None)


class Page(ModalScreen[None]):
    """Text to read: help, or a command to copy."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,f1", "dismiss(None)", show=False)
    ]

    def __init__(self, draw: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self._draw_page = draw

    def compose(self) -> ComposeResult:
        """A box as large as it may be."""
        with Vertical(classes="box tall"):
            yield Reader(lambda width, height: self._draw_page(width))

    def on_mount(self) -> None:
        """The arrows scroll."""
        self.query_one(Reader).focus()


def help_page(app: ApplianceApp, screen: str) -> Page:
    """The help of a screen."""
    return Page(lambda width: help_view.page(app.scene(width, 0), screen))


def text_page(title: str, text: str) -> Page:
    """A page of plain text."""

    def draw(width: int) -> list[Line]:
        lines: list[Line] = [(Span(title, "head"),), BLANK]
        return lines + [(Span(line),) for line in wrap(text, width)]

    return Page(draw)
