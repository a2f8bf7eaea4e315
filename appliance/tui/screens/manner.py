"""The dialog of a conversation's manner: system prompt and temperature."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, TextArea

from appliance.core.i18n import _
from appliance.ops.conversation import Manner
from appliance.tui.drawing import Line, Span, wrap
from appliance.tui.screens.dialogs import ESCAPE
from appliance.tui.widgets import Canvas

_WARMEST = 2.0


class ChatManner(ModalScreen[Manner | None]):
    """Tab goes from field to field; Enter in the temperature, or Ctrl+O, takes both."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ESCAPE,
        Binding("ctrl+o", "take", show=False, priority=True),
    ]

    def __init__(self, manner: Manner) -> None:
        super().__init__()
        self._manner = manner
        self._fault = ""

    def compose(self) -> ComposeResult:
        """The system prompt over the temperature."""
        shown = "" if self._manner.temperature is None else f"{self._manner.temperature:g}"
        with Vertical(classes="box"):
            yield Canvas(self._title, id="manner_title")
            yield TextArea(self._manner.system, tab_behavior="focus", compact=True, id="system")
            yield Canvas(self._label, id="manner_label")
            yield Input(shown, compact=True, id="temperature", placeholder=_("the model's own"))
            yield Canvas(self._help, id="manner_help")

    def on_mount(self) -> None:
        """A blinking cursor costs bytes for nothing."""
        for name, rows in (("manner_title", 1), ("manner_label", 1), ("manner_help", 2)):
            self.query_one(f"#{name}").styles.height = rows
        self.query_one(TextArea).cursor_blink = False
        self.query_one(Input).cursor_blink = False
        self.query_one(TextArea).focus()

    def _title(self, width: int, height: int) -> list[Line]:
        return [(Span(_("What the model is to be, or to heed (system prompt)"), "strong"),)]

    def _label(self, width: int, height: int) -> list[Line]:
        return [(Span(_("Temperature, 0 (always the same) to 2"), "strong"),)]

    def _help(self, width: int, height: int) -> list[Line]:
        if self._fault:
            return [(Span(text, "fail"),) for text in wrap(self._fault, width)]
        return [(Span(_("Tab: next field   Ctrl+O: take it   Esc: leave it"), "dim"),)]

    def on_input_submitted(self) -> None:
        """Done."""
        self.action_take()

    def action_take(self) -> None:
        """Take both, unless the temperature is none."""
        text = self.query_one(Input).value.strip().replace(",", ".")
        try:
            temperature = float(text) if text else None
            if temperature is not None and not 0 <= temperature <= _WARMEST:
                raise ValueError
        except ValueError:
            self._fault = _("{text} is no temperature: 0 to 2, such as 0.6").format(text=text)
            self.query_one("#manner_help", Canvas).redraw()
            self.query_one(Input).focus()
            return
        system = self.query_one(TextArea).text.strip()
        self.dismiss(Manner(system=system, temperature=temperature))
