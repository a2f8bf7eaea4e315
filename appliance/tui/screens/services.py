"""Services: deployments, and the chosen one in full."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from appliance.core.errors import ApplianceError
from appliance.tui.backend import in_thread
from appliance.tui.drawing import BLANK, Line, clean
from appliance.tui.messages import Ended
from appliance.tui.screens.place import Place
from appliance.tui.views import services as view
from appliance.tui.widgets import Canvas, Rows

_LOG_EVERY_S = 3.0
_LOG_LINES = 40


class ServicesScreen(Place):
    """What is served, by which engines, and how well."""

    place = "services"

    def __init__(self) -> None:
        super().__init__()
        self._tail: tuple[str, ...] = ()
        self._tail_of: str | None = None

    def body(self) -> Iterator[Widget]:
        """The table, and the chosen deployment."""
        yield Rows(self._table, self._ids, id="rows")
        yield Canvas(self._details, id="details", classes="body")

    def on_mount(self) -> None:
        """The arrows belong to the table."""
        self.query_one(Rows).focus()
        self.set_interval(_LOG_EVERY_S, self._ask_for_log)

    def on_screen_resume(self) -> None:
        """The end of the log as soon as it can be had."""
        super().on_screen_resume()
        self._ask_for_log()

    def _ask_for_log(self) -> None:
        """Where there is room for it, and a line that can bear it."""
        app, chosen = self.appliance, self.appliance.chosen
        if chosen is None or app.screen is not self or app.paused or app.slow:
            return
        if app.snapshot.down_s is not None:
            return

        def tell(value: object, error: ApplianceError | None) -> None:
            self.post_message(Ended(lambda lines: self._keep(chosen.id, lines), value, error))

        in_thread(lambda: app.node.logs(chosen.id, _LOG_LINES), tell)

    def on_ended(self, message: Ended) -> None:
        """A log that cannot be read is no news: the state above says why."""
        message.stop()
        if message.error is None:
            message.then(message.value)

    def _keep(self, deployment: str, lines: object) -> None:
        told = tuple(clean(str(line)) for line in lines) if isinstance(lines, list) else ()
        if (deployment, told) != (self._tail_of, self._tail):
            self._tail_of, self._tail = deployment, told
            self.query_one("#details", Canvas).redraw()

    def redraw(self) -> None:
        """As tall a table as there are deployments, up to eight."""
        rows = self.query_one(Rows)
        rows.styles.height = min(8, len(self._ids()) + 1)
        super().redraw()

    def _ids(self) -> list[str]:
        return [deployment.id for deployment in self.appliance.snapshot.deployments]

    def _table(self, width: int, height: int) -> list[Line]:
        return view.table(self.scene(width, height))

    def _details(self, width: int, height: int) -> list[Line]:
        scene = self.scene(width, height)
        lines = [BLANK, *(view.details(scene) or view.empty())]
        chosen = self.appliance.chosen
        if chosen is None or chosen.id != self._tail_of:
            return lines
        return [*lines, *view.log_end(scene, self._tail, height - len(lines))]

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        """The choice holds on every screen."""
        self.appliance.deployment = event.key
        self.redraw()
