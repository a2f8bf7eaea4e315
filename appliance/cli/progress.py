"""How far a fetch is: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time

import click

from appliance.cli.output import clipped
from appliance.core.i18n import _
from appliance.core.pull import Progress

_PLAIN_STEP_PCT = 5.0
_PLAIN_STEP_S = 30.0


class ProgressLine:
    """Shows progress documents on stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._open = False
        self._last: tuple[str, float, float] = ("", -100.0, 0.0)

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def show(self, progress: Progress) -> None:
        """Tell how far a fetch is, if it is news."""
        key = f"{progress.phase} {progress.file} {progress.waiting}"
        self.tell(progress_text(progress), key=key, pct=percent(progress))

    def paused(self) -> None:
        """Tell that the fetch waits for somebody to let it go on."""
        self.tell(_("paused; `appliance models resume` goes on"), key="paused")

    def tell(self, text: str, *, key: str, pct: float | None = None) -> None:
        """Tell `text`, if it is news; what has the same `key` is the same thing a bit further."""
        if self._quiet:
            return
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            click.echo(f"\r\033[K{clipped(text, columns - 1)}", nl=False, err=True)
            self._open = True
        elif self._is_news(key, pct or 0.0):
            click.echo(text, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            click.echo("\r\033[K", nl=False, err=True)
            self._open = False

    def _is_news(self, key: str, pct: float) -> bool:
        last_key, last_pct, last_time = self._last
        now = time.monotonic()
        if key == last_key and pct - last_pct < _PLAIN_STEP_PCT and now - last_time < _PLAIN_STEP_S:
            return False
        self._last = (key, pct, now)
        return True


def percent(progress: Progress) -> float | None:
    """How far, where the whole is known."""
    if not progress.total or progress.done is None:
        return None
    return 100.0 * progress.done / progress.total


def progress_text(progress: Progress) -> str:
    """`fetch 45 % 1.2/2.7 GB 80 MB/s ETA 0:19 file`."""
    parts: list[str] = [progress.phase]
    pct = percent(progress)
    if pct is not None:
        parts.append(f"{pct:.0f} %")
    if progress.done is not None:
        total = "?" if progress.total is None else f"{progress.total / 1e6:.1f}"
        parts.append(f"{progress.done / 1e6:.1f}/{total} MB")
    if progress.waiting:
        return "  ".join([*parts, _("waiting: {why}").format(why=progress.waiting)])
    if progress.bps:
        parts.append(f"{progress.bps / 1e6:.1f} MB/s")
    if progress.eta_s is not None:
        minutes, seconds = divmod(round(progress.eta_s), 60)
        parts.append(_("{minutes}:{seconds:02d} left").format(minutes=minutes, seconds=seconds))
    if progress.file:
        parts.append(progress.file.rsplit("/", 1)[-1])
    return "  ".join(parts)
