"""Numbered line prompts for terminals that cannot hold screens, and for screen readers.

Plain ASCII around the texts, one question at a time, nothing is ever redrawn. The end of the input
is the end of the program.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from appliance.core.errors import ApplianceError
from appliance.core.exit_codes import ExitCode
from appliance.core.i18n import Text, _, current_language, say, use_default_language
from appliance.core.status import SERVING, DeploymentStatus
from appliance.node.wishes import PullOptions, UpOptions
from appliance.ops.conversation import Finish, Message
from appliance.tui import launch
from appliance.tui.basic_job import follow
from appliance.tui.basic_lines import Lines
from appliance.tui.drawing import clean
from appliance.tui.feed import Feed
from appliance.tui.glyphs import ASCII
from appliance.tui.jobs import JobState
from appliance.tui.snapshot import CardRow, Snapshot
from appliance.tui.summary import notices, sentence
from appliance.tui.words import (
    REPLICA_STATES,
    SEVERITIES,
    UNKNOWN,
    percent,
    temperature,
    tokens_per_second,
    used_of,
    watts,
)

if TYPE_CHECKING:
    from appliance.core.paths import Paths
    from appliance.tui.backend import Backend

_LOG_LINES = 20


def run_basic(paths: Paths, *, readonly: bool = False, setup: bool | None = None) -> int:
    """The line prompts for this server; the exit code. `setup` begins with the wizard, `None` does
    so where nothing was ever served.
    """
    from appliance.node.first import never_served
    from appliance.node.start import state_file
    from appliance.tui.real import backend

    if not launch.utf8(sys.stdout):
        use_default_language("en")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    use_default_language(launch.language(os.environ, current_language()))
    if setup is None:
        setup = never_served(state_file(paths))
    prompts = Prompts(backend(paths), readonly=readonly)
    if launch.on_serial_line(sys.stdin):
        prompts.tell_of_ssh()
    return prompts.run(setup=setup)


class Prompts:
    """Asks on `source`, answers on `target`."""

    def __init__(
        self,
        backend: Backend,
        *,
        readonly: bool = False,
        source: TextIO = sys.stdin,
        target: TextIO = sys.stdout,
    ) -> None:
        self._backend = backend
        self._lines = Lines(source, target)
        self._readonly = readonly
        self._choices: list[tuple[Text, Callable[[], None]]] = [
            (say("Status"), self.status),
            (say("Chat"), self.chat),
            (say("Log"), self.log),
        ]
        if not readonly:
            self._choices += [
                (say("Set this server up"), self.setup),
                (say("Fetch a model"), self.pull),
                (say("Serve a model"), self.up),
                (say("Stop a model"), self.stop),
            ]

    def run(self, *, setup: bool = False) -> int:
        """Until the operator chooses 0, or the input ends."""
        try:
            self._start()
            self.status()
            if setup and not self._readonly:
                self._guarded(self.setup)
            while (choice := self._menu()) != 0:
                if choice is not None:
                    self._guarded(self._choices[choice - 1][1])
        except EOFError:
            self._tell("")
        except KeyboardInterrupt:
            self._tell("")
            return ExitCode.INTERRUPTED
        return ExitCode.OK

    def tell_of_ssh(self) -> None:
        """A serial line is slow and narrow: whoever can had better come another way."""
        import psutil

        addresses = [
            address.address
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if "." in address.address and not address.address.startswith("127.")
        ]
        if addresses:
            told = _("For full screens connect by SSH: ssh {user}@{address}")
            self._tell(told.format(user=getpass.getuser(), address=addresses[0]))

    def _start(self) -> None:
        if self._backend.start:
            self._guarded(self._backend.start)

    def _guarded(self, work: Callable[[], object]) -> None:
        """A fault costs the choice, never the program."""
        try:
            work()
        except ApplianceError as error:
            self._lines.fault(error)

    def _menu(self) -> int | None:
        self._tell("")
        self._lines.rows([text for text, _work in self._choices])
        self._tell("0  " + _("Quit"))
        return self._lines.number(self._ask(_("Number: ")), len(self._choices), 0)

    def _ask(self, question: str) -> str:
        return self._lines.ask(question)

    def _tell(self, text: str) -> None:
        self._lines.tell(text)

    def _look(self) -> Snapshot:
        found: list[Snapshot] = []
        return Feed(self._backend.node, found.append).look()

    def setup(self) -> None:
        """The wizard, question by question."""
        from appliance.tui.basic_setup import SetupPrompts

        SetupPrompts(self._backend, self._lines).run()

    def status(self) -> None:
        """The sentence of truth, what is wrong, what is served, every card."""
        snapshot = self._look()
        severity, text = sentence(snapshot, ASCII)
        self._tell(f"{SEVERITIES.get(severity, UNKNOWN).text}: {text}")
        for notice in notices(snapshot):
            word = SEVERITIES.get(notice.severity, UNKNOWN).text
            self._tell(f"  {word} {notice.code} {notice.subject}: {notice.text} {notice.advice}")
        for deployment in snapshot.deployments:
            self._tell("  " + _deployment(deployment, silent=snapshot.down_s is not None))
        for card in snapshot.cards():
            self._tell("  " + _card(card))

    def _deployment(self, *, serving: bool) -> DeploymentStatus | None:
        """The only one, or the one whose number is given."""
        found = self._backend.node.status().deployments
        if serving:
            found = [d for d in found if d.state in SERVING]
        if not found:
            self._tell(_("Nothing is served."))
            return None
        if len(found) == 1:
            return found[0]
        self._lines.rows([deployment.id for deployment in found])
        number = self._lines.number(self._ask(_("Number: ")), len(found))
        return found[number - 1] if number else None

    def chat(self) -> None:
        """A conversation; an empty line ends it."""
        deployment = self._deployment(serving=True)
        if deployment is None:
            return
        told = _("{model} answers. An empty line ends the conversation.")
        self._tell(told.format(model=deployment.name))
        messages: list[Message] = []
        while question := self._ask(_("You: ")):
            messages.append(Message("user", question))
            with suppress(KeyboardInterrupt):
                messages.append(Message("assistant", self._answer(messages, deployment.name)))

    def _answer(self, messages: list[Message], model: str) -> str:
        answer = ""
        kind = ""
        for piece in self._backend.converse(messages, model):
            if isinstance(piece, Finish):
                speed = tokens_per_second(piece.decode_tps)
                self._tell(f"\n({piece.first_token_s:.2f} s, {speed})")
                continue
            if piece.kind != kind:
                kind = piece.kind
                self._tell("\n" + (_("Thinking:") if kind == "reasoning" else _("Answer:")))
            self._lines.write(clean(piece.text))
            answer += piece.text if piece.kind == "answer" else ""
        return answer

    def log(self) -> None:
        """The last lines of an engine's log."""
        if deployment := self._deployment(serving=False):
            for line in self._backend.node.logs(deployment.id, _LOG_LINES):
                self._tell(clean(line))

    def up(self) -> None:
        """The main job, for a named model or for the best that fits."""
        model = self._ask(_("Model (Enter: the best that fits): "))
        if not self._lines.yes(_("Fetch it if need be, and serve it?")):
            return
        try:
            self._serve(UpOptions(model=model or None))
        except ApplianceError as error:
            if error.code != "ENGINE-ON-CPU":
                raise
            self._tell(str(error))
            if self._lines.yes(_("Serve from the processor all the same?")):
                self._serve(UpOptions(model=model or None, allow_cpu=True))

    def _serve(self, options: UpOptions) -> None:
        state = follow(self._lines, JobState("up", ""), self._backend.node.up(options))
        if state.result:
            self._tell(_("It answers at {url}").format(url=state.result.get("endpoint")))
            if state.result.get("key"):
                self._tell(_("Key, shown this once: {key}").format(key=state.result["key"]))

    def pull(self) -> None:
        """Fetch a model without serving it; an empty line goes back."""
        if model := self._ask(_("Model to fetch: ")):
            documents = self._backend.node.pull(PullOptions(model=model))
            if follow(self._lines, JobState("pull", ""), documents).result:
                self._tell(_("{model} is here and verified").format(model=model))

    def stop(self) -> None:
        """Stop a deployment, after a yes."""
        deployment = self._deployment(serving=False)
        if deployment and self._lines.yes(_("Stop {model}?").format(model=deployment.id)):
            self._backend.node.down(deployment.id)
            self._tell(_("{model} is stopped").format(model=deployment.id))


def _deployment(deployment: DeploymentStatus, *, silent: bool) -> str:
    word = UNKNOWN if silent else REPLICA_STATES.get(deployment.state, UNKNOWN)
    text = f"{deployment.id}: {word.text}"
    return f"{text}, {deployment.endpoint}" if deployment.endpoint else text


def _card(card: CardRow) -> str:
    parts = [f"{card.title}: {card.word.text}", card.name or card.vendor]
    if (reading := card.reading) is not None:
        used = used_of(reading.memory_used_mib, reading.memory_total_mib)
        parts += [
            _("in use {percent}").format(percent=percent(reading.util_pct)),
            _("memory {memory}iB").format(memory=used),
        ]
        if reading.temp_c is not None:
            parts.append(temperature(reading.temp_c, ASCII))
        if reading.power_w is not None:
            parts.append(watts(reading.power_w, reading.power_limit_w))
    return ", ".join(parts)
