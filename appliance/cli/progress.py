"""How far a fetch is: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time

import click

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
        self._last: tuple[str, str | None, float, float] = ("", None, -100.0, 0.0)

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def show(self, progress: Progress) -> None:
        """Tell, if it is news."""
        if self._quiet:
            return
        if self._terminal:
            click.echo(f"\r\033[K{progress_text(progress)}", nl=False, err=True)
            self._open = True
        elif self._is_news(progress):
            click.echo(progress_text(progress), err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            click.echo("\r\033[K", nl=False, err=True)
            self._open = False

    def _is_news(self, progress: Progress) -> bool:
        pct = percent(progress) or 0.0
        phase, file, last_pct, last_time = self._last
        now = time.monotonic()
        same = (phase, file) == (progress.phase, progress.file)
        if same and pct - last_pct < _PLAIN_STEP_PCT and now - last_time < _PLAIN_STEP_S:
            return False
        self._last = (progress.phase, progress.file, pct, now)
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
    if progress.bps:
        parts.append(f"{progress.bps / 1e6:.1f} MB/s")
    if progress.eta_s is not None:
        minutes, seconds = divmod(round(progress.eta_s), 60)
        parts.append(_("{minutes}:{seconds:02d} left").format(minutes=minutes, seconds=seconds))
    if progress.file:
        parts.append(progress.file.rsplit("/", 1)[-1])
    return "  ".join(parts)
