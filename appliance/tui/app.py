"""The application: keeps what is known and what is chosen, and does what keys ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from appliance.core.history import SPANS, Span
from appliance.core.i18n import _, current_language, use_default_language
from appliance.core.topology import Topology
from appliance.tui.actions import ACTIONS, actions_of, for_key
from appliance.tui.backend import Backend, Converse
from appliance.tui.card_work import CardWork
from appliance.tui.feed import Feed, Interest
from appliance.tui.glyphs import ASCII, UNICODE, Glyphs
from appliance.tui.jobs import JobState
from appliance.tui.keys import typed
from appliance.tui.lean import lean
from appliance.tui.messages import Looked
from appliance.tui.scene import Scene
from appliance.tui.screens.place import Place
from appliance.tui.snapshot import Snapshot
from appliance.tui.themes import PALETTES, themes

if TYPE_CHECKING:
    from rich.console import RenderableType


_BY_ID = {action.id: action for action in ACTIONS}
_KEYS = sorted({key for action in ACTIONS for key in action.keys})
SLOW_INTERVAL_S = 8.0
START_S = 20.0
"""What a daemon may take to start on a busy server before it is called silent."""


def _home() -> Screen[None]:
    from appliance.tui.screens.home import HomeScreen

    return HomeScreen()


def _setup() -> Screen[None]:
    from appliance.tui.screens.setup import SetupScreen

    return SetupScreen()


def _cards() -> Screen[None]:
    from appliance.tui.screens.cards import CardsScreen

    return CardsScreen()


def _models() -> Screen[None]:
    from appliance.tui.screens.models import ModelsScreen

    return ModelsScreen()


def _services() -> Screen[None]:
    from appliance.tui.screens.services import ServicesScreen

    return ServicesScreen()


def _chat() -> Screen[None]:
    from appliance.tui.screens.chat import ChatScreen

    return ChatScreen()


def _health() -> Screen[None]:
    from appliance.tui.screens.health import HealthScreen

    return HealthScreen()


class ApplianceApp(CardWork):
    """A client of the node daemon; nothing is decided here that the command line cannot do."""

    CSS_PATH = "app.tcss"
    TITLE = "appliance"
    ENABLE_COMMAND_PALETTE = False
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "home": _home,
        "setup": _setup,
        "cards": _cards,
        "models": _models,
        "services": _services,
        "chat": _chat,
        "health": _health,
    }
    DEFAULT_MODE = "home"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"key('{key}')", show=False, priority=not typed(key)) for key in _KEYS
    ]

    def __init__(
        self,
        backend: Backend,
        *,
        glyphs: Glyphs = ASCII,
        theme: str = "dark",
        readonly: bool = False,
        slow: bool = False,
        place: str = "home",
    ) -> None:
        super().__init__()
        self._first = place
        self.backend = backend
        self.glyphs = glyphs
        self.readonly = readonly
        self.slow = slow
        self.snapshot = Snapshot()
        self.topology: Topology | None = None
        self.jobs: dict[str, JobState] = {}
        self.deployment: str | None = None
        self.card: str | None = None
        self.span: Span = "1m"
        self.worst_first = True
        self.paused = False
        self.palette: dict[str, Style] = {}
        interval = SLOW_INTERVAL_S if slow else 1.0
        self.feed = Feed(backend.node, self._looked, interval_s=interval, start_s=START_S)
        for known in themes():
            self.register_theme(known)
        self._use_theme(theme)
        self.set_class(glyphs is UNICODE, "-unicode")

    @property
    def converse(self) -> Converse:
        """How to talk to a model."""
        return self.backend.converse

    def on_mount(self) -> None:
        """Show the first picture, then begin to look: what looking imports must not hold it up."""
        self.go(self._first)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.feed.start()
        self.set_interval(1.0, self._age)
        if self.backend.start and not self.readonly:
            self._call(self.backend.start, "")

    def _looked(self, snapshot: Snapshot) -> None:
        self.post_message(Looked(snapshot))

    def _age(self) -> None:
        """A daemon that hangs sends no picture: the one we have grows old before our eyes."""
        now = datetime.now(UTC)
        late = (now - self.snapshot.taken).total_seconds() > self.snapshot.stale_after_s
        if late and not self.paused and self.snapshot.down_s is None:
            self.snapshot = replace(self.snapshot, taken=now)
            self.redraw()

    def on_looked(self, message: Looked) -> None:
        """Draw the picture, unless the operator holds the one before."""
        if not self.paused:
            self.snapshot = message.snapshot
            self.redraw()

    def on_unmount(self) -> None:
        """Look no more."""
        self.feed.stop()

    def redraw(self) -> None:
        """Draw the screen in front; those behind are drawn when they come forward."""
        if front := self._front():
            front.redraw()
        self.care()

    def _front(self) -> Place | None:
        """The nearest screen that is no dialog."""
        places = (s for s in reversed(self.screen_stack) if isinstance(s, Place))
        return next((place for place in places if place.complete), None)

    def care(self) -> None:
        """Let the daemon be asked for what the screen in front draws beside the newest readings."""
        front = self._front()
        card = front.history_of() if front and not self.slow else None
        processes = front is not None and front.shows_processes
        self.feed.care_for(Interest(card, self.span, processes))

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, lean(renderable))

    def scene(self, width: int, height: int) -> Scene:
        """What there is to see, for a room of this size."""
        return Scene(
            snapshot=self.snapshot,
            jobs=self.jobs,
            glyphs=self.glyphs,
            width=width,
            height=height,
            deployment=self.deployment,
            card=self.card,
            span=self.span,
            topology=self.topology,
            worst_first=self.worst_first,
            paused=self.paused,
            readonly=self.readonly,
            slow=self.slow,
            mark=self.backend.mark,
        )

    # Keys and actions

    @property
    def place(self) -> str:
        """The name of the screen in front, as the table of actions knows it; "" for a dialog."""
        return self.screen.place if isinstance(self.screen, Place) else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that means nothing here goes on to whoever else wants it."""
        if action != "key":
            return True
        key = str(parameters[0])
        if isinstance(self.screen, ModalScreen):
            return key in _BY_ID["quit"].keys and not typed(key)
        return for_key(self.place, key) is not None

    def action_key(self, key: str) -> None:
        """Do what a key means on this screen."""
        action = for_key(self.place, key)
        if action is None:
            self.exit(0)
        else:
            self.action_do(action.id)

    def action_do(self, name: str) -> None:
        """Do an action of the table, by the screen's method or the application's."""
        action = _BY_ID[name]
        if self.place not in action.screens:
            return
        if action.writes and self.readonly:
            self.notify(_("read-only: nothing is changed from here"), severity="warning")
            return
        method = getattr(self.screen, f"do_{name}", None) or getattr(self, f"do_{name}")
        method()

    # Where to

    def go(self, place: str) -> None:
        """Show a place; from a screen opened there, go back to it."""
        if self.current_mode != place:
            self.switch_mode(place)
            if isinstance(self.screen, Place) and self.screen.complete:
                self.screen.arrive()
        elif len(self.screen_stack) > 1:
            self.pop_screen()

    def do_go_home(self) -> None:
        """The board."""
        self.go("home")

    def do_go_setup(self) -> None:
        """What was found, and the main job."""
        self.go("setup")

    def do_go_cards(self) -> None:
        """Every card."""
        self.go("cards")

    def do_go_models(self) -> None:
        """What could be served."""
        self.go("models")

    def do_go_services(self) -> None:
        """What is served."""
        self.go("services")

    def do_go_chat(self) -> None:
        """Talk to a model."""
        self.go("chat")

    def do_go_health(self) -> None:
        """What is wrong, and what happened."""
        self.go("health")

    def do_chat(self) -> None:
        """Talk to the chosen deployment."""
        self.go("chat")

    def do_back(self) -> None:
        """To the screen before, or home."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.go("home")

    def do_quit(self) -> None:
        """Leave; what is served goes on."""
        self.exit(0)

    # What to look at

    def choose_deployment(self, by: int) -> None:
        """Choose the deployment so many further down."""
        ids = [deployment.id for deployment in self.snapshot.deployments]
        if ids:
            at = ids.index(self.deployment) if self.deployment in ids else 0
            self.deployment = ids[(at + by) % len(ids)]

    def do_span(self) -> None:
        """The next period of the graphs."""
        self.span = SPANS[(SPANS.index(self.span) + 1) % len(SPANS)]
        self.redraw()

    def do_pause(self) -> None:
        """Hold the picture, or go on."""
        self.paused = not self.paused
        self.redraw()

    def do_refresh(self) -> None:
        """Ask for everything again."""
        self.feed.look_now(afresh=True)

    def do_language(self) -> None:
        """The other language, at once."""
        use_default_language("en" if current_language() == "zh" else "zh")
        self.feed.look_now(afresh=True)
        self.redraw()

    def do_theme(self) -> None:
        """The next theme."""
        names = list(PALETTES)
        self._use_theme(names[(names.index(self.theme) + 1) % len(names)])
        self.redraw()

    def _use_theme(self, name: str) -> None:
        self.palette = {key: Style.parse(style) for key, style in PALETTES[name].items()}
        self.theme = name

    def do_help(self) -> None:
        """Every key of this screen."""
        from appliance.tui.screens.dialogs import help_page

        self.push_screen(help_page(self, self.place))

    def do_palette(self) -> None:
        """Find an action by its name."""
        from appliance.tui.screens.dialogs import Palette

        known = [action for action in actions_of(self.place) if action.id != "palette"]
        self.push_screen(Palette(known), self._chosen_from_palette)

    def _chosen_from_palette(self, name: str | None) -> None:
        if name:
            self.action_do(name)

    def do_copy(self) -> None:
        """Copy what the screen is about."""
        maker = getattr(self.screen, "text", None)
        text = maker() if maker else (self.chosen.endpoint if self.chosen else "")
        if text:
            self.copy_to_clipboard(text)
            self.notify(_("copied, if this terminal allows it"))

    def save(self, path: Path, text: str) -> None:
        """Write `text` beside us; says where, or why not."""
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error")
        else:
            self.notify(_("written to {path}").format(path=path.absolute()))
