"""Models: what could be served here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from textual.widget import Widget

from appliance.core.errors import ApplianceError
from appliance.core.i18n import _
from appliance.tui.backend import Shelf, in_thread
from appliance.tui.drawing import BLANK, Line
from appliance.tui.jobs import JobState
from appliance.tui.messages import Ended
from appliance.tui.screens.dialogs import Ask
from appliance.tui.screens.place import Place
from appliance.tui.views import models as view
from appliance.tui.views.models import Offer
from appliance.tui.widgets import Canvas, Rows

_DETAILS = 11


class ModelsScreen(Place):
    """The catalogue against this server, and the store."""

    place = "models"

    def __init__(self) -> None:
        super().__init__()
        self.offers: list[Offer] = []
        self.filtered = ""
        self.told = _("asking the planner")
        self._asking = False

    def body(self) -> Iterator[Widget]:
        """The table, and the chosen model."""
        yield Rows(self._table, lambda: [offer.model.id for offer in self._shown()], id="rows")
        yield Canvas(self._details, id="details", classes="body")

    def on_mount(self) -> None:
        """The arrows belong to the table."""
        self.query_one("#details", Canvas).styles.height = _DETAILS
        self.query_one(Rows).focus()

    def on_screen_resume(self) -> None:
        """Ask again each time it comes to the front: a pull may have ended."""
        self.redraw()
        look = self.appliance.backend.offers
        if look is None:
            self.told = _("not available for a picture of another server")
            return
        if self._asking:
            return
        self._asking = True
        inventory = self.appliance.snapshot.inventory

        def tell(value: object, error: ApplianceError | None) -> None:
            self.post_message(Ended(self._keep, value, error))

        in_thread(lambda: look(inventory), tell)

    def on_ended(self, message: Ended) -> None:
        """The planner answered."""
        message.stop()
        self._asking = False
        if message.error:
            self.told = str(message.error)
        else:
            message.then(message.value)
        self.redraw()

    def _keep(self, value: object) -> None:
        found = value if isinstance(value, list) else []
        self.offers = [offer for offer in found if isinstance(offer, Offer)]
        self.told = _("nothing matches")

    def _shown(self) -> list[Offer]:
        wanted = self.filtered.removeprefix("!").lower()
        inverse = self.filtered.startswith("!")
        return [o for o in self.offers if not wanted or (wanted in o.model.id.lower()) != inverse]

    def chosen(self) -> Offer | None:
        """The model under the cursor."""
        shown = self._shown()
        return shown[self.query_one(Rows).cursor] if shown else None

    def _table(self, width: int, height: int) -> list[Line]:
        shown = self._shown()
        return view.table(self.scene(width, height), shown) if shown else view.waiting(self.told)

    def _details(self, width: int, height: int) -> list[Line]:
        return [BLANK, *view.details(self.scene(width, height), self.chosen())]

    def on_rows_chosen(self) -> None:
        """Show what it would take."""
        self.query_one("#details", Canvas).redraw()

    def do_serve(self) -> None:
        """Serve the chosen model, after a yes."""
        if offer := self.chosen():
            self.appliance.serve(offer.model.id)

    def do_pull(self) -> None:
        """Fetch the chosen model."""
        if offer := self.chosen():
            self.appliance.pull(offer.model.id)

    def do_verify(self) -> None:
        """Hash the chosen model's files again."""
        if (found := self._stored()) is not None:
            shelf, model = found
            title = _("verify {model}").format(model=model)
            job = JobState(f"verify:{model}", title)
            self.appliance.here(job, partial(shelf.verify, model))

    def do_export(self) -> None:
        """Write the chosen model to a disk."""
        if (found := self._stored()) is None:
            return
        shelf, model = found

        def answered(text: str | None) -> None:
            if text:
                place = Path(text).expanduser()
                job = JobState(f"export:{model}", _("export {model}").format(model=model))
                work = partial(shelf.export, model, place)
                self.appliance.here(job, work)

        self.app.push_screen(Ask(hint=_("directory to write {model} to").format(model=model)),
                             answered)  # fmt: skip

    def do_take(self) -> None:
        """Take models from a disk or a file."""
        shelf = self.appliance.backend.shelf
        if shelf is None:
            self.notify(_("not available for a picture of another server"))
            return

        def answered(text: str | None) -> None:
            if text:
                job = JobState(f"import:{text}", _("import {place}").format(place=text))
                self.appliance.here(job, partial(shelf.take, Path(text).expanduser()))

        self.app.push_screen(Ask(hint=_("file, or directory of an exported model")), answered)

    def do_remove(self) -> None:
        """Remove the chosen model from the store, after a yes."""
        if (found := self._stored()) is None:
            return
        shelf, model = found
        self.appliance.confirm(
            _("Remove {model} from {host}?").format(model=model, host=self.appliance.host()),
            _("Its files are deleted; serving it again fetches them again."),
            _("Remove"),
            lambda: self.appliance.here(
                JobState(f"remove:{model}", _("remove {model}").format(model=model)),
                lambda _tell, _cancel: shelf.remove(model, in_use=self._served()),
            ),
        )

    def _served(self) -> set[str]:
        running = [d for d in self.appliance.snapshot.deployments if d.state != "stopped"]
        return {name for d in running for name in (d.variant, d.model)}

    def _stored(self) -> tuple[Shelf, str] | None:
        """The store and the chosen model of it; says why when there is none."""
        shelf, offer = self.appliance.backend.shelf, self.chosen()
        if shelf is None or offer is None:
            self.notify(_("not available for a picture of another server"))
            return None
        if not offer.model.stored:
            self.notify(_("{model} is not here yet").format(model=offer.model.id))
            return None
        return shelf, offer.model.id

    def do_filter(self) -> None:
        """Ask for a text."""
        self.app.push_screen(Ask(self.filtered), self._filter)

    def _filter(self, text: str | None) -> None:
        if text is not None:
            self.filtered = text
            self.redraw()
