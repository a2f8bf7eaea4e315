"""After Apply: the phases as they go, the proof, and what to do with what now runs."""

from __future__ import annotations

from appliance.core.i18n import Text, _, say
from appliance.tui.drawing import BLANK, Line, Span, fit, section
from appliance.tui.jobs import JobState
from appliance.tui.scene import Scene
from appliance.tui.views import jobs

_PHASES: dict[str, Text] = {
    "detect": say("looking at this server"),
    "plan": say("choosing what to serve"),
    "fetch": say("fetching the model"),
    "load": say("loading it"),
    "prove": say("asking it a question"),
}
_SHORT: dict[str, Text] = {
    "detect": say("looked"),
    "plan": say("chosen"),
    "fetch": say("fetched"),
    "build": say("built"),
    "load": say("loaded"),
    "prove": say("asked"),
}
_NAME = 24


def newest(scene: Scene) -> JobState | None:
    """The job that was begun last."""
    return next(reversed(list(scene.jobs.values())), None)


def body(scene: Scene) -> list[Line]:
    """The newest job, what of it is to come, and afterwards what to do next."""
    job = newest(scene)
    if job is None:
        return [(Span("  " + _("nothing is under way"), "dim"),)]
    heading = section(job.title, scene.width, scene.glyphs)
    if job.result:
        return [heading, *_done(scene, job), *jobs.outcome(scene, job), BLANK, *_next(scene, job)]
    lines = [heading, *jobs.phases(scene, job)]
    if job.running:
        lines += _to_come(scene, job)
    lines += jobs.outcome(scene, job)
    return [*lines, BLANK, *_again(scene)] if job.error else lines


def _done(scene: Scene, job: JobState) -> list[Line]:
    """All phases in one line: what matters now is the proof."""
    done = [str(_SHORT[name]) for name, _text, _done in job.phases if name in _SHORT]
    return [(Span(f"  {scene.glyphs.ok} {', '.join(done) or _('done')}", "ok"),)]


def _to_come(scene: Scene, job: JobState) -> list[Line]:
    """The phases that have not begun; the proof of a model that serves already is the only one."""
    if not job.id.startswith("up:"):
        return []
    begun = {name for name, _text, _done in job.phases}
    if begun == {"prove"}:
        return []
    return [
        (Span(f"  {scene.glyphs.idle} {text}", "dim"),)
        for name, text in _PHASES.items()
        if name not in begun
    ]


def _again(scene: Scene) -> list[Line]:
    return [
        section(_("NEXT"), scene.width, scene.glyphs),
        _row(_("Enter"), _("back to the plan; Apply goes on where it stopped"), ""),
    ]


def _next(scene: Scene, job: JobState) -> list[Line]:
    name = str((job.result or {}).get("deployment", "ID"))
    return [
        section(_("NEXT"), scene.width, scene.glyphs),
        _row("6", _("talk to it"), "appliance chat"),
        _row("1", _("is it well?"), "appliance status"),
        _row("5 l", _("what its engine writes"), f"appliance logs {name} -f"),
        _row("", _("a key for others"), "appliance keys add NAME"),
        _row("", _("undo"), f"appliance down {name}"),
    ]


def _row(key: str, text: str, twin: str) -> Line:
    name = fit(text, _NAME) if twin else text
    return (Span("  " + fit(key, 7), "accent"), Span(f"{name}  "), Span(twin, "dim"))
