"""Setup: the wizard, page by page, then the work and its proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
from textual.widget import Widget

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _, use_default_language
from appliance.node.wishes import UpOptions, up_options
from appliance.ops.setup.answers import fault_of
from appliance.ops.setup.draft import Draft
from appliance.ops.setup.options import BY_NAME
from appliance.tui.backend import in_thread
from appliance.tui.drawing import Line
from appliance.tui.jobs import JobState
from appliance.tui.messages import Ended
from appliance.tui.screens.dialogs import Ask
from appliance.tui.screens.setup_looking import Looking, Pages
from appliance.tui.screens.setup_state import (
    Setup,
    Wizard,
    answered,
    moved,
    neighbour,
    taken,
    turned,
    went,
)
from appliance.tui.views import setup as view
from appliance.tui.views.setup_work import newest

_TYPED = ("users", "context", "key_name")


class SetupScreen(Looking):
    """Asks, shows what the answers lead to, and applies it after a yes."""

    place = "setup"

    def body(self) -> Iterator[Widget]:
        """One page."""
        yield Pages(self._page, id="page", classes="body")

    def on_mount(self) -> None:
        """Go on where the operator left."""
        self.query_one(Pages).focus()
        if self.setup is None:
            self.wizard = Wizard(page="found")
        else:
            draft = self.setup.draft()
            page = "summary" if draft.page == "work" else draft.page
            self.wizard = went(Wizard(answers=draft.answers), page)
            if draft.page == "work":
                self._resume_work()
        self.look()

    def on_screen_resume(self) -> None:
        """Work that was begun elsewhere is shown here."""
        if self.appliance.work_begun:
            self.appliance.work_begun = False
            self.wizard = went(self.wizard, "work")
        if self.wizard.page != "work":
            self.look()
        super().on_screen_resume()

    def do_refresh(self) -> None:
        """Look again at everything: a cable, a disk or a driver may have come."""
        if self.setup:
            self.setup.forget()
        self.wizard = replace(self.wizard, found=None, outside=None, places=None)
        self.appliance.do_refresh()
        self.look()
        self.redraw()

    def _page(self, width: int, height: int) -> list[Line]:
        return view.page(self.scene(width, height), self.wizard)

    # Moving

    def action_move(self, by: int) -> None:
        """Another row."""
        self.wizard = moved(self.wizard, by)
        self.redraw()

    def action_turn(self, by: int) -> None:
        """Another answer for the field under the cursor."""
        changed = turned(self.wizard, by)
        if changed.answers != self.wizard.answers:
            self._change(changed)

    def _change(self, wizard: Wizard) -> None:
        self.wizard = wizard
        self.redraw()
        self.look_soon()

    def show(self, page: str) -> None:
        """Another page; whoever quits now comes back to it."""
        self.wizard = went(self.wizard, page)
        if self.setup:
            self.setup.keep(Draft(page=page, answers=self.wizard.answers))
        if page != "work":
            self.look()
        self.redraw()

    def do_next(self) -> None:
        """Take what the cursor is on, and go on."""
        wizard = self.wizard
        place = wizard.pointed_place() if wizard.page == "source" else None
        if wizard.page == "work":
            self._leave_work()
        elif wizard.page == "summary":
            self.appliance.action_do("apply")
        elif self.setup is None:
            self.notify(_("this is a picture of another server: nothing is set up from here"))
        elif place and place.state == "no":
            self.notify(place.text, severity="warning")
        elif self._is_typed():
            self.do_edit()
        else:
            self._take()

    def _take(self) -> None:
        wizard = taken(self.wizard)
        if wizard.page in ("choice", "source") and not wizard.rows():
            return
        self.wizard = wizard
        if wizard.page == "language" and wizard.answers.language:
            use_default_language(wizard.answers.language)
            self.appliance.do_refresh()
        self.show(neighbour(wizard, 1) or wizard.page)

    def _leave_work(self) -> None:
        job = newest(self.scene(80, 24))
        if job is None or job.error:
            self.show("summary")
        elif not job.running:
            self.appliance.go("home")

    def do_back(self) -> None:
        """The page before; from the first one, home. Work goes on by itself."""
        before = neighbour(self.wizard, -1)
        job = newest(self.scene(80, 24))
        if before is None or self.setup is None or (self.wizard.page == "work" and _runs(job)):
            self.appliance.go("home")
        else:
            self.show(before)

    # Answers that are typed

    def _is_typed(self) -> bool:
        wizard = self.wizard
        place = wizard.pointed_place() if wizard.page == "source" else None
        other = wizard.page == "choice" and wizard.offered and wizard.pointed_choice() is None
        return bool(other or (place and place.state == "typed"))

    def _typed_field(self) -> str | None:
        page = {"choice": "model", "source": "source"}.get(self.wizard.page)
        return page or (self.wizard.field if self.wizard.field in _TYPED else None)

    def do_edit(self) -> None:
        """Type the answer under the cursor."""
        name = self._typed_field()
        if name is None or self.setup is None:
            return
        place = self.wizard.pointed_place()
        start = place.source if name == "source" and place and place.state == "typed" else ""
        given = str(getattr(self.wizard.answers, name) or "")
        value = given.removeprefix(start) if given.startswith(start) else ""

        def typed(text: str | None) -> None:
            if text:
                self._typed(name, start + text)

        self.app.push_screen(Ask(value, hint=str(BY_NAME[name].allowed)), typed)

    def _typed(self, name: str, text: str) -> None:
        value = int(text) if name in ("users", "context") and text.isdecimal() else text
        if fault := fault_of(name, value):
            self.notify(fault, severity="warning", timeout=8)
            return
        self.wizard = replace(answered(self.wizard, name, value), offered=None)
        if name == "source":
            self.show("access")
        else:
            self.show(self.wizard.page)

    # What is changed, and where

    def do_save_answers(self) -> None:
        """Write answers.toml."""
        if (setup := self.setup) is None:
            return
        answers = self.wizard.answers

        def told(path: object) -> None:
            self.notify(_("written to {path}").format(path=path))

        def tell(value: object, error: ApplianceError | None) -> None:
            self.app.post_message(Ended(told, value, error))

        in_thread(lambda: setup.save(answers), tell)

    def do_apply(self) -> None:
        """Do what the plan says, after a yes."""
        wizard = self.wizard
        if wizard.page != "summary" or wizard.proposal is None:
            return
        if wizard.lacks_consent:
            self.notify(_("allow the processor first, or build an engine"), severity="warning")
            self.show("access")
            self.action_move(1)
            return
        self.appliance.confirm(
            _("Set {host} up as the plan says?").format(host=self.appliance.host()),
            _("It fetches and verifies what is not here, and serves. Other models keep serving."),
            _("Apply"),
            self._apply,
        )

    def _apply(self) -> None:
        proposal, setup = self.wizard.proposal, self.setup
        if proposal is None or setup is None:
            return
        answers = msgspec.structs.replace(proposal.answers, model=proposal.choice.variant)
        self.wizard = replace(self.wizard, answers=answers)
        self.show("work")
        self._run(setup, up_options(answers))

    def _run(self, setup: Setup, options: UpOptions) -> None:
        answers = self.wizard.answers

        def stream() -> Iterator[dict[str, Any]]:
            setup.begin(answers)
            for document in self.appliance.node.up(options):
                if document.get("schema") == "appliance.up/1":
                    setup.finish()
                yield document

        self.appliance.run_up(options, stream)

    def _resume_work(self) -> None:
        """A daemon that is still at work on what was applied shows how far it is."""
        setup, node = self.setup, self.appliance.node

        def then(found: object) -> None:
            if found and setup:
                self.show("work")
                self._run(setup, up_options(self.wizard.answers))

        def tell(value: object, error: ApplianceError | None) -> None:
            self.app.post_message(Ended(then, value, None))

        in_thread(lambda: [j for j in node.jobs() if j.kind == "up" and j.state == "running"], tell)


def _runs(job: JobState | None) -> bool:
    return job is not None and job.running
