"""Everything the terminal can do, once: keys, names, help, and the command that does the same.

Bindings, key bar, palette and help screen are drawn from this table; adding an action is a row
here and a method `do_<id>` on the application or on each of the screens it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from appliance.core.i18n import Text, say
from appliance.tui.keys import key_name, typed

Danger = Literal["none", "mild", "moderate"]
PLACES = ("home", "setup", "cards", "models", "services", "chat", "health")
EVERYWHERE = (*PLACES, "logs", "card")


@dataclass(frozen=True)
class Action:
    """`keys`: the first is the one we show. `screens`: where it works. `bar`: its place in the
    key bar, from the left; 0 keeps it out. `writes`: not with `--readonly`.
    """

    id: str
    keys: tuple[str, ...]
    label: Text
    help: Text
    twin: str
    screens: tuple[str, ...] = EVERYWHERE
    bar: int = 0
    danger: Danger = "none"
    writes: bool = False

    @property
    def key(self) -> str:
        """The first key as people write it."""
        return key_name(self.keys[0])

    @property
    def key_while_typing(self) -> str:
        """The first key that is no part of a text, as people write it."""
        keys = (key for key in self.keys if key == "escape" or not typed(key))
        return key_name(next(keys, self.keys[0]))


_GO = [
    ("home", say("Home"), say("Is it well, what runs, what needs attention"), "appliance status"),
    ("setup", say("Setup"), say("The wizard: from what is here to an answer"), "appliance setup"),
    ("cards", say("Cards"), say("Every card with its readings and history"), "appliance watch"),
    ("models", say("Models"), say("What could be served here"), "appliance models list"),
    ("services", say("Services"), say("What is served, by which engines"), "appliance status"),
    ("chat", say("Chat"), say("Talk to a served model"), "appliance chat"),
    ("health", say("Health"), say("What is wrong, and what happened"), "appliance detect"),
]
_SERVING = ("home", "services", "logs")
_LISTS = ("cards", "models", "services", "health", "logs")

ACTIONS: tuple[Action, ...] = (
    *(
        Action(f"go_{place}", (str(number),), label, help_, twin)
        for number, (place, label, help_, twin) in enumerate(_GO, 1)
    ),
    Action(
        "chat",
        ("c",),
        say("Chat"),
        say("Talk to the selected deployment"),
        "appliance chat MODEL",
        ("home", "services", "logs", "models"),
        bar=1,
    ),
    Action(
        "logs",
        ("l",),
        say("Log"),
        say("Read the log of the selected deployment's engine, and follow it"),
        "appliance logs ID -f",
        ("home", "services", "health"),
        bar=2,
    ),
    Action(
        "stop",
        ("S",),
        say("Stop"),
        say("Stop the selected deployment; asks first"),
        "appliance down ID",
        _SERVING,
        bar=3,
        danger="moderate",
        writes=True,
    ),
    Action(
        "restart",
        ("R",),
        say("Restart"),
        say("Stop the selected deployment's engines and start them afresh; asks first"),
        "appliance down ID && appliance up --model ID",
        _SERVING,
        bar=4,
        danger="moderate",
        writes=True,
    ),
    Action(
        "command",
        ("e",),
        say("Command"),
        say("Show the exact command of the selected deployment's engine"),
        "appliance engines show MODEL",
        ("home", "services"),
    ),
    Action(
        "scale",
        ("A",),
        say("People"),
        say("Serve the selected deployment for another number of people; asks first"),
        "appliance up --model ID --users N",
        ("services",),
        bar=5,
        danger="moderate",
        writes=True,
    ),
    Action(
        "tune",
        ("M",),
        say("Tune"),
        say("Measure settings of the selected deployment's engine and keep the best; asks first"),
        "appliance tune ID",
        ("services",),
        bar=6,
        danger="moderate",
        writes=True,
    ),
    Action(
        "next",
        ("enter",),
        say("Next"),
        say("Take the answer under the cursor, and go on to the next page"),
        "appliance setup --answers FILE --yes",
        ("setup",),
        bar=1,
    ),
    Action(
        "edit",
        ("e",),
        say("Type it"),
        say("Type the answer under the cursor; the arrows left and right go through usual ones"),
        "appliance setup --users N --context N --model ID --source PLACE --key-name NAME",
        ("setup",),
        bar=2,
    ),
    Action(
        "save_answers",
        ("w",),
        say("Save"),
        say("Write the answers to answers.toml in the directory you came from"),
        "appliance setup --dry-run > answers.toml",
        ("setup",),
        bar=3,
    ),
    Action(
        "apply",
        ("A",),
        say("Apply"),
        say("Do what the plan says; asks first"),
        "appliance setup --answers FILE --yes",
        ("setup",),
        danger="moderate",
        writes=True,
    ),
    Action(
        "up",
        ("U",),
        say("Serve"),
        say("Do the main job: detect, plan, fetch, serve, prove"),
        "appliance up",
        ("home", "services"),
        bar=5,
        danger="moderate",
        writes=True,
    ),
    Action(
        "serve",
        ("enter", "U"),
        say("Serve"),
        say("Fetch the selected model if need be and serve it; asks first"),
        "appliance up --model ID",
        ("models",),
        bar=1,
        danger="moderate",
        writes=True,
    ),
    Action(
        "pull",
        ("g",),
        say("Get"),
        say("Fetch the selected model without serving it"),
        "appliance models pull ID",
        ("models",),
        bar=2,
        danger="mild",
        writes=True,
    ),
    Action(
        "suspend",
        ("P",),
        say("Hold on"),
        say("Pause the fetch under way, or go on with the paused one; its bytes are kept"),
        "appliance models pause MODEL",
        ("home", "setup", "models"),
        writes=True,
    ),
    Action(
        "verify",
        ("v",),
        say("Verify"),
        say("Hash the selected model's files again"),
        "appliance models verify MODEL",
        ("models",),
        bar=3,
    ),
    Action(
        "export",
        ("E",),
        say("Export"),
        say("Write the selected model to a disk, for another appliance to import"),
        "appliance models export MODEL DIRECTORY",
        ("models",),
        danger="mild",
        writes=True,
    ),
    Action(
        "take",
        ("I",),
        say("Import"),
        say("Take models from a disk or a file, verified"),
        "appliance models import PATH",
        ("models",),
        bar=4,
        danger="mild",
        writes=True,
    ),
    Action(
        "remove",
        ("delete",),
        say("Remove"),
        say("Remove the selected model from the store; asks first, never one that is served"),
        "appliance models rm MODEL",
        ("models",),
        danger="moderate",
        writes=True,
    ),
    Action(
        "cancel",
        ("X",),
        say("End work"),
        say("End the newest work under way at its next safe point; asks first"),
        "appliance up, then Ctrl-C",
        ("home", "setup", "models"),
        bar=6,
        danger="moderate",
        writes=True,
    ),
    Action(
        "details",
        ("enter", "d"),
        say("Details"),
        say("Everything that is known of the selected card"),
        "appliance detect --json",
        ("cards",),
        bar=1,
    ),
    Action(
        "span",
        ("w",),
        say("Period"),
        say("Graphs of the last minute, hour, day or thirty days"),
        "appliance watch --history 1d",
        ("home", "cards", "card"),
        bar=6,
    ),
    Action(
        "hold_card",
        ("H",),
        say("Hold"),
        say("Take the selected card out of use, for maintenance; asks first"),
        "appliance cards hold ID",
        ("cards", "card"),
        bar=3,
        danger="moderate",
        writes=True,
    ),
    Action(
        "release_card",
        ("F",),
        say("Release"),
        say("Let a held card be used again; asks first"),
        "appliance cards release ID",
        ("cards", "card"),
        bar=4,
        danger="moderate",
        writes=True,
    ),
    Action(
        "links",
        ("t",),
        say("Links"),
        say("How the cards are linked, as a matrix"),
        "appliance detect --topology",
        ("cards", "card"),
        bar=5,
    ),
    Action(
        "order",
        ("s",),
        say("Order"),
        say("Sort the worst first, or as the driver counts"),
        "appliance watch",
        ("cards",),
        bar=2,
    ),
    Action(
        "filter",
        ("slash",),
        say("Filter"),
        say("Show only what contains a text; an exclamation mark in front turns it round"),
        "appliance logs ID | grep TEXT",
        ("logs", "health", "models", "cards"),
        bar=5,
    ),
    Action(
        "follow",
        ("f",),
        say("Follow"),
        say("Go to the end of the log and stay there, or stop doing so"),
        "appliance logs ID -f",
        ("logs",),
        bar=1,
    ),
    Action(
        "save",
        ("w", "f7"),
        say("Save"),
        say("Write the log, or the conversation, to a file"),
        "appliance logs ID > FILE",
        ("logs", "chat"),
        bar=6,
    ),
    Action(
        "halt",
        ("escape", "ctrl+g"),
        say("Stop"),
        say("Stop the answer; then Esc leaves the line of input"),
        "appliance chat",
        ("chat",),
        bar=1,
    ),
    Action(
        "write",
        ("i", "enter"),
        say("Write"),
        say("Go back to the line of input"),
        "appliance chat",
        ("chat",),
    ),
    Action(
        "fold",
        ("f3",),
        say("Reasoning"),
        say("Show or hide the model's reasoning"),
        "appliance chat",
        ("chat",),
        bar=2,
    ),
    Action(
        "retry",
        ("f4",),
        say("Retry"),
        say("Ask the last question again"),
        "appliance chat",
        ("chat",),
        bar=3,
    ),
    Action(
        "model",
        ("f6",),
        say("Model"),
        say("Talk to the next deployment that serves"),
        "appliance chat MODEL",
        ("chat",),
        bar=5,
    ),
    Action(
        "manner",
        ("ctrl+o",),
        say("Manner"),
        say("Give the model a system prompt and a temperature"),
        "appliance chat --system TEXT --temperature T",
        ("chat",),
        bar=6,
    ),
    Action(
        "fresh",
        ("f8",),
        say("New"),
        say("Begin a new conversation"),
        "appliance chat",
        ("chat",),
        bar=4,
    ),
    Action(
        "copy",
        ("y", "f9"),
        say("Copy"),
        say("Copy the screen's subject as text: endpoint, card, log lines, last answer"),
        "appliance status",
        ("home", "cards", "card", "services", "logs", "chat"),
    ),
    Action(
        "start_daemon",
        ("D",),
        say("Start daemon"),
        say("Start the daemon when it does not run"),
        "appliance status",
        bar=0,
        writes=True,
    ),
    Action(
        "back",
        ("escape", "backspace"),
        say("Back"),
        say("Back to where you came from"),
        "",
        ("logs", "card", "setup", "cards", "models", "services", "health"),
        bar=9,
    ),
    Action(
        "palette",
        ("colon", "f2", "ctrl+p"),
        say("Commands"),
        say("Find a command by its name"),
        "appliance --help",
        bar=7,
    ),
    Action(
        "help",
        ("question_mark", "f1"),
        say("Help"),
        say("Every key of this screen"),
        "appliance --help",
        bar=8,
    ),
    Action(
        "pause",
        ("p", "space"),
        say("Pause"),
        say("Hold the picture still, or go on"),
        "appliance watch --count 1",
    ),
    Action("refresh", ("r", "f5"), say("Refresh"), say("Ask the daemon now"), "appliance status"),
    Action("language", ("L",), say("Language"), say("Chinese or English"), "appliance --lang zh"),
    Action(
        "theme",
        ("T",),
        say("Colours"),
        say("The next theme: dark, light, 16 colours, high contrast, colour-blind-safe"),
        "appliance --theme NAME",
    ),
    Action(
        "quit",
        ("q", "ctrl+q", "ctrl+c", "f10"),
        say("Quit"),
        say("Leave; what is served goes on"),
        "",
        bar=9,
    ),
)


def actions_of(screen: str) -> Iterator[Action]:
    """What works on a screen, in the order of the table."""
    return (action for action in ACTIONS if screen in action.screens)


def for_key(screen: str, key: str) -> Action | None:
    """The action of a key on a screen; a test proves that there is at most one."""
    return next((action for action in actions_of(screen) if key in action.keys), None)
