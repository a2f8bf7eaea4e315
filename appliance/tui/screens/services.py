"""Services: deployments, and the chosen one in full."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from appliance.tui.drawing import BLANK, Line
from appliance.tui.screens.place import Place
from appliance.tui.views import services as view
from appliance.tui.widgets import Canvas, Rows


class ServicesScreen(Place):
    """What is served, by which engines, and how well."""

    place = "services"

    def body(self) -> Iterator[Widget]:
        """The table, and the chosen deployment."""
        yield Rows(self._table, self._ids, id="rows")
        yield Canvas(self._details, id="details", classes="body")

    def on_mount(self) -> None:
        """The arrows belong to the table."""
        self.query_one(Rows).focus()

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
        return [BLANK, *(view.details(scene) or view.empty())]

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        """The choice holds on every screen."""
        self.appliance.deployment = event.key
        self.redraw()
