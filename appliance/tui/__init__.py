"""The terminal's screens: a client of the node daemon, without logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.core.paths import Paths
    from appliance.tui.backend import Backend


def run(
    paths: Paths,
    *,
    readonly: bool = False,
    slow: bool = False,
    replay: Path | None = None,
    theme: str | None = None,
    mouse: bool = True,
    place: str | None = None,
) -> int:
    """Show the board until the operator leaves; the exit code. `replay` shows a capture instead
    of this server; without `mouse` the terminal's own selecting and copying works. `place` is the
    screen to begin with: where nothing was ever served that is the wizard. Call it only where
    `launch.mode` says `rich`.
    """
    backend = _backend(paths, replay)
    readonly = readonly or bool(replay)
    if place is None:
        place = "setup" if not readonly and _first_start(paths) else "home"
    return show(backend, readonly=readonly, slow=slow, theme=theme, mouse=mouse, place=place)


def _first_start(paths: Paths) -> bool:
    from appliance.node.first import never_served
    from appliance.node.start import state_file

    return never_served(state_file(paths))


def _backend(paths: Paths, replay: Path | None) -> Backend:
    if replay:
        from appliance.tui.replay import replayed

        return replayed(replay)
    from appliance.tui.real import backend

    return backend(paths)


def show(
    backend: Backend,
    *,
    readonly: bool = False,
    slow: bool = False,
    theme: str | None = None,
    mouse: bool = True,
    place: str = "home",
) -> int:
    """Show any backend. The screens run in a context of their own, so that a change of language
    reaches every one of them at once.
    """
    import os
    from contextvars import Context

    from appliance.core.i18n import current_language, use_default_language
    from appliance.tui import launch, probe

    if slow:
        os.environ.setdefault("TEXTUAL_FPS", "10")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    glyphs = probe.glyphs(os.environ)
    use_default_language(launch.language(os.environ, current_language()))
    from appliance.tui.app import ApplianceApp

    app = ApplianceApp(
        backend,
        glyphs=glyphs,
        theme=theme or ("ansi" if slow else launch.theme(os.environ)),
        readonly=readonly,
        slow=slow,
        place=place,
    )
    return Context().run(app.run, mouse=mouse) or 0
