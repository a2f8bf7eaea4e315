"""What changes the server: every call asks first, runs in a thread, and says how it ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from textual.app import App

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.node.wishes import PullOptions, TuneOptions, UpOptions
from appliance.tui.backend import Backend, Node, in_thread
from appliance.tui.feed import Feed
from appliance.tui.jobs import JobState, LocalWork, Stream
from appliance.tui.jobs import here as work_here
from appliance.tui.jobs import start as start_job
from appliance.tui.messages import Advanced, Ended
from appliance.tui.snapshot import Snapshot

if TYPE_CHECKING:
    from appliance.core.status import DeploymentStatus


class Work(App[int]):
    """The half of the application that acts; `ApplianceApp` is the half that shows."""

    backend: Backend
    feed: Feed
    snapshot: Snapshot
    jobs: dict[str, JobState]
    deployment: str | None
    work_begun = False
    """Whether the main job was begun from another screen than setup, and not shown there yet."""

    @property
    def node(self) -> Node:
        """The daemon."""
        return self.backend.node

    @property
    def chosen(self) -> DeploymentStatus | None:
        """The deployment that keys act on."""
        return self.snapshot.deployment(self.deployment)

    def redraw(self) -> None:
        """Draw what is in front."""
        raise NotImplementedError

    def go(self, place: str) -> None:
        """Show a place."""
        raise NotImplementedError

    def do_logs(self) -> None:
        """Follow the log of the chosen deployment."""
        if self.chosen:
            from appliance.tui.screens.logs import LogScreen

            self.push_screen(LogScreen(self.chosen.id))

    def do_stop(self) -> None:
        """Stop the chosen deployment, after a yes."""
        if (chosen := self.chosen) is None:
            return
        self.confirm(
            _("Stop {model} on {host}?").format(model=chosen.id, host=self.host()),
            _("Whoever uses it now gets an error. The weights stay; serving again needs no fetch."),
            _("Stop"),
            lambda: self._call(
                lambda: self.node.down(chosen.id), _("{model} is stopped").format(model=chosen.id)
            ),
        )

    def do_restart(self) -> None:
        """Stop the chosen deployment's engines and start them afresh, after a yes."""
        if (chosen := self.chosen) is None:
            return
        self.confirm(
            _("Restart {model} on {host}?").format(model=chosen.id, host=self.host()),
            _("Answers under way break off; it serves again when the model is loaded."),
            _("Restart"),
            lambda: self._call(
                lambda: self.node.restart(chosen.id),
                _("{model} starts afresh").format(model=chosen.id),
            ),
        )

    def do_scale(self) -> None:
        """Serve the chosen deployment for another number of people."""
        if (chosen := self.chosen) is None:
            return
        hint = _("how many people ask {model} at the same time?").format(model=chosen.id)

        def answered(text: str | None) -> None:
            if text and text.isdigit() and int(text) > 0:
                self._scale(chosen, int(text))
            elif text:
                self.notify(_("{text} is no number of people").format(text=text), severity="error")

        self._ask(str(chosen.slots or ""), hint, answered)

    def _scale(self, chosen: DeploymentStatus, users: int) -> None:
        self.confirm(
            _("Serve {model} for {users} people?").format(model=chosen.id, users=users),
            _("It is planned anew for them and starts afresh; what cannot fit changes nothing."),
            _("Serve"),
            lambda: self._serve(UpOptions(model=chosen.variant, users=users)),
        )

    def do_tune(self) -> None:
        """Measure settings of the chosen deployment, after a yes."""
        if (chosen := self.chosen) is None:
            return
        job = JobState(f"tune:{chosen.id}", _("tune {model}").format(model=chosen.id))
        self.confirm(
            _("Measure settings of {model}?").format(model=chosen.id),
            _("Up to five minutes. Its engine starts anew for each; whoever asks waits a little."),
            _("Measure"),
            lambda: self._start(job, lambda: self.node.tune(chosen.id, TuneOptions())),
        )

    def do_up(self) -> None:
        """The main job, after a yes."""
        self.serve(None)

    def serve(self, model: str | None) -> None:
        """Fetch a model if need be and serve it; without a name the best that fits."""
        what = model or _("the best model that fits")
        self.confirm(
            _("Serve {model} on {host}?").format(model=what, host=self.host()),
            _("It is fetched and verified first if it is not here. Other models keep serving."),
            _("Serve"),
            lambda: self._serve(UpOptions(model=model)),
        )

    def _serve(self, options: UpOptions) -> None:
        self.run_up(options, lambda: self.node.up(options))
        self.work_begun = True
        self.go("setup")

    def run_up(self, options: UpOptions, stream: Stream) -> None:
        """Do the main job as `stream` tells of it; a refused processor is asked about."""
        model = options.model
        title = _("serve {model}").format(model=model) if model else _("the main job")
        job = JobState(f"up:{model or ''}", title, consent=options)
        self._start(job, stream)

    def pull(self, model: str) -> None:
        """Fetch a model without serving it."""
        job = JobState(f"pull:{model}", _("fetch {model}").format(model=model))
        self._start(job, lambda: self.node.pull(PullOptions(model=model)))

    def _start(self, job: JobState, stream: Stream) -> None:
        if self._may_begin(job):
            start_job(job, stream, self._job_advanced)

    def here(self, job: JobState, work: LocalWork) -> None:
        """Do work on the store that is no matter of the daemon's."""
        if self._may_begin(job):
            work_here(job, work, self._job_advanced)

    def _may_begin(self, job: JobState) -> bool:
        known = self.jobs.get(job.id)
        if known and known.running:
            self.notify(_("already under way"))
            return False
        self.jobs.pop(job.id, None)
        return True

    def _job_advanced(self, state: JobState) -> None:
        self.post_message(Advanced(state))

    def on_advanced(self, message: Advanced) -> None:
        """Keep the newest state of a job."""
        before = self.jobs.get(message.job.id)
        self.jobs[message.job.id] = message.job
        if message.job.error and (before is None or before.error is None):
            self._failed(message.job, message.job.error)
        elif "text" in (message.job.result or {}) and not (before and before.result):
            self.notify(str((message.job.result or {})["text"]))
        self.redraw()

    def do_cancel(self) -> None:
        """End the newest running job, after a yes; what was fetched so far is kept."""
        ends = self._under_way()
        if not ends:
            self.notify(_("nothing is under way"))
            return
        title, end = ends[-1]
        self.confirm(
            _("End: {work}?").format(work=title),
            _("What was fetched so far is kept; the same work goes on from there."),
            _("End it"),
            lambda: self._call(end, _("it ends at a safe point")),
        )

    def _under_way(self) -> list[tuple[str, Callable[[], object]]]:
        """What runs, oldest first, and how to end it: the daemon's jobs, then what runs in here."""
        mine = {job.handle: job.title for job in self.jobs.values() if job.handle}
        ends: list[tuple[str, Callable[[], object]]] = [
            (mine.get(job.id, f"{job.kind} {job.subject}"), partial(self.node.cancel_job, job.id))
            for job in self.snapshot.jobs
            if job.state != "ended"
        ]
        known = {job.id for job in self.snapshot.jobs}
        for job in self.jobs.values():
            if job.running and job.handle and job.handle not in known:
                ends.append((job.title, partial(self.node.cancel_job, job.handle)))
            elif job.running and job.end:
                ends.append((job.title, job.end))
        return ends

    def do_suspend(self) -> None:
        """Pause the newest fetch, or go on with it."""
        pulls = [j for j in self.snapshot.jobs if j.kind == "pull" and j.state != "ended"]
        if not pulls:
            self.notify(_("nothing is being fetched"))
        elif pulls[-1].state == "paused":
            self._call(lambda: self.node.resume_job(pulls[-1].id), _("it goes on"))
        else:
            self._call(lambda: self.node.pause_job(pulls[-1].id), _("it pauses; bytes are kept"))

    def _failed(self, job: JobState, error: ApplianceError) -> None:
        """Say why; the one fault that an answer heals is asked about."""
        if error.code != "ENGINE-ON-CPU":
            self.notify(str(error), severity="error", timeout=8)
            return
        options = msgspec.structs.replace(job.consent or UpOptions(), allow_cpu=True)
        self.confirm(
            _("Serve from the processor all the same?"),
            str(error),
            _("Serve"),
            lambda: self._serve(options),
        )

    def do_start_daemon(self) -> None:
        """Start the daemon that does not answer."""
        start = self.backend.start
        if self.snapshot.down_s is None:
            self.notify(_("the daemon answers already"))
        elif start:
            self._call(start, _("the daemon runs"))

    def do_command(self) -> None:
        """The exact command of the chosen deployment's engine."""
        ask, chosen = self.backend.command, self.chosen
        if ask is None or chosen is None:
            return

        def tell(value: object, error: ApplianceError | None) -> None:
            self.post_message(Ended(self._show_command, value, error))

        in_thread(lambda: ask(chosen), tell)

    def _show_command(self, text: object) -> None:
        from appliance.tui.screens.dialogs import text_page

        self.push_screen(text_page(_("THE ENGINE'S COMMAND"), str(text)))

    def host(self) -> str:
        """The name of this server."""
        return self.snapshot.hostname or _("this server")

    def _ask(self, value: str, hint: str, then: Callable[[str | None], None]) -> None:
        from appliance.tui.screens.dialogs import Ask

        self.push_screen(Ask(value, hint=hint), then)

    def confirm(self, question: str, consequence: str, verb: str, then: Callable[[], None]) -> None:
        """Ask first."""
        from appliance.tui.screens.dialogs import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                then()

        self.push_screen(Confirm(question, consequence, verb), answered)

    def _call(self, call: Callable[[], object], told: str) -> None:
        def then(_value: object) -> None:
            if told:
                self.notify(told)

        def tell(value: object, error: ApplianceError | None) -> None:
            self.post_message(Ended(then, value, error))

        in_thread(call, tell)

    def on_ended(self, message: Ended) -> None:
        """A call ended: say so, and look at once."""
        if message.error:
            self.notify(f"{message.error} {message.error.hint}", severity="error", timeout=8)
        else:
            message.then(message.value)
        self.feed.look_now()
