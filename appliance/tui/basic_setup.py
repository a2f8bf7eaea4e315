"""The wizard in line prompts: the same pages and answers as on screens, one question at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from appliance.core.errors import ApplianceError, UsageError
from appliance.core.i18n import Text, _, current_language, say, use_default_language
from appliance.node.wishes import up_options
from appliance.ops.setup import options
from appliance.ops.setup.answers import fault_of
from appliance.ops.setup.draft import Draft
from appliance.ops.setup.found import WORDS
from appliance.ops.setup.options import BY_NAME, PAGES
from appliance.ops.setup.words import STYLES, feel
from appliance.tui.basic_job import follow
from appliance.tui.basic_lines import Lines
from appliance.tui.jobs import JobState
from appliance.tui.screens.setup_state import (
    Setup,
    Wizard,
    answered,
    answered_place,
    looked,
    neighbour,
    shown_value,
    taken,
    went,
)
from appliance.tui.words import tokens_per_second

if TYPE_CHECKING:
    from appliance.core.plan import Choice
    from appliance.tui.backend import Backend

Move = Literal["next", "back", "leave", "again"]
TITLES: dict[str, Text] = {
    "language": say("Language"),
    "found": say("What is here"),
    "people": say("Who will use it"),
    "choice": say("What to serve"),
    "source": say("Where the weights come from"),
    "access": say("Who may ask"),
    "summary": say("The plan"),
    "work": say("At work"),
}


class Elsewhere(Exception):
    """The operator wants another page, or to leave."""

    def __init__(self, move: Move) -> None:
        super().__init__(move)
        self.move = move


class SetupPrompts:
    """Every page asks its questions; `b` goes back, `q` leaves, Enter keeps what is offered."""

    def __init__(self, backend: Backend, lines: Lines) -> None:
        if backend.setup is None:
            raise UsageError(say("this is a picture of another server: nothing is set up from it"))
        self._setup: Setup = backend.setup
        self._node = backend.node
        self._lines = lines
        draft = self._setup.draft()
        page = "summary" if draft.page == "work" else draft.page
        self._wizard = went(Wizard(answers=draft.answers), page)

    def run(self) -> None:
        """Until it serves, or the operator leaves; the page is kept."""
        self._lines.tell(_("b goes back, q leaves, Enter takes what stands in brackets."))
        while True:
            page = self._wizard.page
            move = self._page()
            if move == "leave" or (page == "work" and move == "next"):
                return
            self._go(move)

    def _go(self, move: Move) -> None:
        by = {"next": 1, "back": -1}.get(move, 0)
        page = neighbour(self._wizard, by) or self._wizard.page
        self._wizard = went(self._wizard, page)
        self._setup.keep(Draft(page=page, answers=self._wizard.answers))

    def _page(self) -> Move:
        """One page. A fault is told; the page before is where another answer may be given."""
        wizard = self._wizard
        step = _("step {step} of {count}").format(step=wizard.step, count=len(PAGES))
        self._lines.tell()
        self._lines.tell(f"{TITLES[wizard.page]} ({step})")
        try:
            return self._asking[wizard.page](self)
        except Elsewhere as elsewhere:
            return elsewhere.move
        except ApplianceError as error:
            self._lines.fault(error)
            return "back" if self._proceed(_("Enter goes back, q leaves: ")) == "next" else "leave"

    def _look(self) -> None:
        inventory, running = self._node.inventory(), self._node.status().deployments
        for changes in looked(self._wizard, self._setup, inventory, running):
            self._wizard = replace(self._wizard, **changes)

    # Asking

    def _ask(self, question: str) -> str:
        answer = self._lines.ask(question)
        if answer.lower() == "b":
            raise Elsewhere("back")
        if answer.lower() == "q":
            raise Elsewhere("leave")
        return answer

    def _proceed(self, question: str) -> Move:
        try:
            self._ask(question)
        except Elsewhere as elsewhere:
            return elsewhere.move
        return "next"

    def _pick(self, texts: list[str], at: int) -> int:
        """The row that was chosen, counted from 0."""
        self._lines.rows(texts)
        question = _("Number [{number}]: ").format(number=at + 1)
        while True:
            answer = self._ask(question)
            number = at + 1 if not answer else self._lines.number(answer, len(texts))
            if number:
                return number - 1

    def _fill(self, name: str, question: str, value: object) -> None:
        """Ask until the answer can be meant; nothing typed keeps what is offered."""
        while True:
            answer = self._ask(f"{question} [{value}]: ")
            if not answer:
                return
            if self._answer(name, answer):
                return

    def _answer(self, name: str, text: str) -> bool:
        whole = name in ("users", "context") and text.isdecimal()
        typed: Any = int(text) if whole else text
        if fault := fault_of(name, typed):
            self._lines.tell(fault)
            return False
        self._wizard = answered(self._wizard, name, typed)
        return True

    # Pages

    def _language(self) -> Move:
        names = ["English", *(["中文"] if self._lines.utf8 else [])]
        at = min(("en", "zh").index(current_language()), len(names) - 1)
        language = ("en", "zh")[self._pick(names, at)]
        use_default_language(language)
        self._wizard = answered(self._wizard, "language", language)
        return "next"

    def _found(self) -> Move:
        self._look()
        for row in [*(self._wizard.found or ()), *(self._wizard.outside or ())]:
            self._lines.tell(f"{row.what}: {WORDS[row.state]}. {row.text}")
            if row.next:
                self._lines.tell("  " + _("next: {what}").format(what=row.next))
        return self._proceed(_("Enter goes on: "))

    def _people(self) -> Move:
        answers = self._wizard.answers
        self._fill("users", str(BY_NAME["users"].title), shown_value(answers, "users"))
        styles = list(STYLES)
        at = self._pick([str(STYLES[style]) for style in styles], styles.index(answers.style))
        self._wizard = answered(self._wizard, "style", styles[at])
        usual = answers.context or _("as the model needs")
        self._fill("context", _("Tokens of one talk"), usual)
        short = [_("stop, and say what is missing"), _("serve something smaller")]
        self._lines.tell(str(BY_NAME["adapt"].title) + ":")
        adapt = self._pick(short, int(answers.adapt)) == 1
        self._wizard = taken(answered(self._wizard, "adapt", adapt))
        return "next"

    def _choice(self) -> Move:
        self._look()
        offered = self._wizard.offered
        if offered is None:
            return "again"
        texts = [_offer(choice) for choice in offered.choices]
        other = _("another: a catalogue id, hf:ORG/NAME, or file:/path/to/model.gguf")
        at = self._pick([*texts, other], offered.choices.index(offered.best))
        if at == len(texts):
            self._answer("model", self._ask(_("Model: ")))
            return "again"
        self._wizard = taken(replace(self._wizard, cursor=at))
        return "next"

    def _source(self) -> Move:
        self._look()
        places = self._wizard.places or ()
        texts = [f"{place.title}: {place.text}" for place in places]
        at = self._pick(texts, answered_place(self._wizard))
        place = places[at]
        if place.state == "no":
            return "again"
        if place.state == "typed":
            return "next" if self._answer("source", place.source + self._ask(": ")) else "again"
        self._wizard = taken(replace(self._wizard, cursor=at))
        return "next"

    def _access(self) -> Move:
        self._lines.tell(_("Programs of this server ask at http://127.0.0.1:8480/v1."))
        self._lines.tell(_("Other machines: not yet, the gateway has no TLS so far."))
        answers = self._wizard.answers
        self._fill("key_name", str(BY_NAME["key_name"].title), shown_value(answers, "key_name"))
        if self._wizard.wants_consent:
            yes = self._lines.yes(_("Serve from the processor all the same?"))
            self._wizard = answered(self._wizard, "allow_cpu", yes)
        return "next"

    def _summary(self) -> Move:
        self._look()
        proposal = self._wizard.proposal
        if proposal is None:
            return "again"
        for step in proposal.steps:
            self._lines.tell(f"{step.title}: {step.text}")
        self._lines.tell()
        for line in options.lines(self._wizard.answers):
            self._lines.tell(line)
        self._lines.tell()
        if self._pick([_("Apply this plan"), _("Save answers.toml")], 0) == 1:
            path = self._setup.save(self._wizard.answers)
            self._lines.tell(_("written to {path}").format(path=path))
            return "again"
        if self._wizard.lacks_consent:
            self._lines.tell(_("allow the processor first, or build an engine"))
            return "back"
        if not self._lines.yes(_("Apply it now?")):
            return "again"
        variant = proposal.choice.variant
        self._wizard = answered(self._wizard, "model", variant)
        return "next"

    def _work(self) -> Move:
        answers = self._wizard.answers
        self._setup.begin(answers)
        state = follow(self._lines, JobState("up", ""), self._documents())
        if state.result is None:
            raise ApplianceError(say("the daemon broke off"), hint=say("apply it again"))
        self._setup.finish()
        for line in _proof(state.result):
            self._lines.tell(line)
        return "next"

    def _documents(self) -> Iterator[dict[str, Any]]:
        return self._node.up(up_options(self._wizard.answers))

    _asking: dict[str, Callable[[SetupPrompts], Move]] = {
        "language": _language,
        "found": _found,
        "people": _people,
        "choice": _choice,
        "source": _source,
        "access": _access,
        "summary": _summary,
        "work": _work,
    }


def _offer(choice: Choice) -> str:
    """One choice in a line: which, what it feels like, what one gives up."""
    text = f"{choice.variant}: {feel(choice) or ''}"
    if choice.gives_up:
        return f"{text}; " + _("gives up: {what}").format(what="; ".join(choice.gives_up))
    return text


def _proof(result: dict[str, Any]) -> Iterator[str]:
    """What the model was asked and answered, how to use it, and how to end it."""
    proof = result.get("proof") or {}
    if proof:
        yield _("asked    {prompt}").format(prompt=proof["prompt"])
        yield _("answer   {answer}").format(answer=" ".join(str(proof["answer"]).split()))
        yield _("first token after {first} s, then {speed}").format(
            first=f"{proof['first_token_s']:.2f}", speed=tokens_per_second(proof["decode_tps"])
        )
    yield _("It answers at {url}").format(url=result.get("endpoint"))
    if result.get("key"):
        yield _("Key, shown this once: {key}").format(key=result["key"])
    yield _("To end it: appliance down {name}").format(name=result.get("deployment"))
