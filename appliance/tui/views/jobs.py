"""Long work under way."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.core.i18n import _, say
from appliance.core.pull import Progress
from appliance.core.status import JobStatus, Proof
from appliance.tui.drawing import (
    BLANK,
    Line,
    Span,
    cells,
    clean,
    clip,
    fit,
    meter,
    named,
    section,
    wrap,
)
from appliance.tui.jobs import JobState
from appliance.tui.scene import Scene
from appliance.tui.words import duration, share, size, tokens_per_second

KINDS = {
    "pull": say("fetch {subject}"),
    "up": say("serve {subject}"),
    "tune": say("tune {subject}"),
}
STEPS = {
    "resolve": say("finding files"),
    "fetch": say("fetching"),
    "verify": say("verifying"),
    "place": say("putting in place"),
}


def running(scene: Scene) -> list[Line]:
    """One line a running job, for the board; failed ones stay until another begins."""
    mine = [job for job in scene.jobs.values() if job.running or job.error]
    handles = {job.handle for job in scene.jobs.values()}
    others = [j for j in scene.snapshot.jobs if j.state != "ended" and j.id not in handles]
    if not mine and not others:
        return []
    heading = section(_("WORK"), scene.width, scene.glyphs)
    return [
        heading,
        *(_headline(scene, job) for job in mine),
        *(_elsewhere(scene, job) for job in others),
    ]


def _elsewhere(scene: Scene, job: JobStatus) -> Line:
    """Work that somebody began from another terminal."""
    title = str(KINDS.get(job.kind, "{subject}")).format(subject=job.subject)
    paused = job.state == "paused"
    mark, style = (scene.glyphs.idle, "dim") if paused else (scene.glyphs.moving, "moving")
    words = [_("paused")] if paused else []
    if job.waiting:
        return (Span(f"{scene.glyphs.idle} {fit(title, 26)}  ", "warn"), _waits(scene, job.waiting))
    if job.done is not None:
        words.append(f"{size(job.done)}/{size(job.total)}")
    return (Span(f"{mark} {fit(title, 26)}  ", style), Span("  ".join(words)))


def _headline(scene: Scene, job: JobState) -> Line:
    if job.error:
        mark = scene.glyphs.fail
        text = clip(str(job.error), scene.width - 30, scene.glyphs.ellipsis)
        return (Span(f"{mark} {fit(job.title, 26)}", "fail"), Span(f"  {text}"))
    if job.paused:
        return (Span(f"{scene.glyphs.idle} {fit(job.title, 26)}  ", "dim"), Span(_("paused")))
    if job.progress and job.progress.waiting:
        idle = Span(f"{scene.glyphs.idle} {fit(job.title, 26)}  ", "warn")
        return (idle, _waits(scene, job.progress.waiting))
    moving: Line = (Span(f"{scene.glyphs.moving} {fit(job.title, 26)}  ", "moving"),)
    if job.progress and job.progress.total:
        return (*moving, *_progress(scene, job.progress, scene.width - 30))
    if job.progress:
        return (*moving, Span(f"{STEPS.get(job.progress.phase, '')} {job.progress.file or ''}"))
    latest = job.phases[-1][1] if job.phases else _("beginning")
    return (*moving, Span(latest))


def _waits(scene: Scene, why: str) -> Span:
    """What a job waits for; it goes on by itself."""
    text = _("waiting: {why}").format(why=why)
    return Span(clip(text, scene.width - 30, scene.glyphs.ellipsis), "warn")


def _progress(scene: Scene, at: Progress, width: int) -> Line:
    words = [
        str(STEPS.get(at.phase, "")),
        f"{size(at.done)}/{size(at.total)}",
        f"{size(at.bps)}/s" if at.bps is not None else "",
        _("{time} left").format(time=duration(at.eta_s)) if at.eta_s is not None else "",
    ]
    text = "  ".join(word for word in words if word)
    bar = max(6, min(30, width - cells(text) - 2))
    return (*meter(share(at.done, at.total), bar, scene.glyphs, "meter"), Span("  " + text))


def page(scene: Scene, job: JobState) -> list[Line]:
    """One job in full: phases, the file on its way, notes, result or error."""
    heading = section(job.title, scene.width, scene.glyphs)
    return [heading, *phases(scene, job), *outcome(scene, job)]


def phases(scene: Scene, job: JobState) -> list[Line]:
    """What is done and what is under way, with the file that is fetched."""
    lines: list[Line] = []
    for _name, text, done in job.phases:
        mark, style = (scene.glyphs.ok, "ok") if done else (scene.glyphs.moving, "moving")
        lines.append((Span(f"  {mark} ", style), Span(text, "" if done else "strong")))
        if not done and job.progress:
            at = job.progress
            lines.append((Span("    "), *_progress(scene, at, scene.width - 4)))
            if at.waiting:
                why = _("waiting: {why}").format(why=at.waiting)
                lines += _paragraph(scene, why, "warn", scene.glyphs.idle)
            lines.append((Span(f"    {at.file or ''}  {at.source or ''}", "dim"),))
    return lines


def outcome(scene: Scene, job: JobState) -> list[Line]:
    """Notes, error with its hint, or the proof."""
    lines: list[Line] = []
    for code, text in job.notes:
        lines += _paragraph(scene, f"{code}: {text}", "warn", scene.glyphs.warn)
    if job.error:
        lines += _paragraph(scene, str(job.error), "fail", scene.glyphs.fail)
        if job.error.hint:
            lines += _paragraph(scene, str(job.error.hint), "dim", " ")
    if job.result and "proof" in job.result:
        lines += _proof(scene, job.result)
    return lines


def _paragraph(scene: Scene, text: str, style: str, mark: str) -> list[Line]:
    texts = wrap(text, scene.width - 6)
    marks = [mark, *[" "] * (len(texts) - 1)]
    return [(Span(f"  {m} {t}", style),) for m, t in zip(marks, texts, strict=True)]


def _proof(scene: Scene, result: dict[str, Any]) -> list[Line]:
    proof = msgspec.convert(result["proof"], Proof)
    speed = _("first token after {first} s, then {speed}").format(
        first=f"{proof.first_token_s:.2f}", speed=tokens_per_second(proof.decode_tps)
    )
    answer = wrap(clean(proof.answer.strip()), scene.width - 4)
    lines: list[Line] = [
        BLANK,
        section(_("PROOF"), scene.width, scene.glyphs, speed),
        (Span(f"  {proof.prompt}", "user"),),
        *((Span("  " + text),) for text in answer),
        BLANK,
        section(_("HOW TO USE IT"), scene.width, scene.glyphs),
        named(_("endpoint"), str(result["endpoint"]), style="accent"),
    ]
    if result.get("key"):
        lines.append(named(_("key"), str(result["key"]), style="accent"))
        lines.append(named("", _("shown this once; keep it"), style="warn"))
    return lines
