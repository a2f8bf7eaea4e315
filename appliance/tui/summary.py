"""The sentence of truth, and what needs attention, worst first."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.core.i18n import _
from appliance.core.inventory import Problem
from appliance.core.status import SERVING, DeploymentStatus
from appliance.tui.drawing import cells
from appliance.tui.glyphs import Glyphs
from appliance.tui.snapshot import CardRow, Snapshot
from appliance.tui.words import (
    REPLICA_STATES,
    UNKNOWN,
    duration,
    severity_rank,
    slowed_by,
    temperature,
)


@dataclass(frozen=True)
class Notice:
    """Something a person should look at. `code` is stable and English."""

    severity: str
    code: str
    subject: str
    text: str
    advice: str = ""


def sentence(snapshot: Snapshot, glyphs: Glyphs, width: int = 200) -> tuple[str, str]:
    """The severity of the whole, and the one sentence that answers "is it well?".

    Its later parts are left out where `width` cells do not hold them.
    """
    if snapshot.starting:
        return "info", _("asking the daemon")
    if snapshot.down_s is not None:
        return "fail", _("the daemon has not answered for {time}").format(
            time=duration(snapshot.down_s)
        )
    parts = [_age(snapshot), _serving(snapshot), _cards(snapshot), _hottest(snapshot, glyphs)]
    parts = [part for part in parts if part]
    while len(parts) > 1 and cells(_("; ").join(parts)) > width:
        parts.pop()
    return _severity(snapshot), _("; ").join(parts)


def _severity(snapshot: Snapshot) -> str:
    worst = next(iter(notices(snapshot)), None)
    if worst and worst.severity == "fail":
        return "fail"
    if _age(snapshot):
        return "unknown"
    if worst:
        return worst.severity
    return "pass" if snapshot.deployments else "info"


def _age(snapshot: Snapshot) -> str:
    age = snapshot.sample_age_s
    if age <= snapshot.stale_after_s:
        return ""
    return _("no new readings for {time}").format(time=duration(age))


def _serving(snapshot: Snapshot) -> str:
    serving = [d for d in snapshot.deployments if d.state in SERVING]
    if not snapshot.deployments:
        return _("nothing is served yet")
    if not serving:
        first = snapshot.deployments[0]
        state = REPLICA_STATES.get(first.state, UNKNOWN).text
        return _("{model}: {state}").format(model=first.id, state=state)
    running = sum(r.requests_running or 0 for d in serving for r in d.replicas)
    models = ", ".join(d.id for d in serving)
    if running:
        return _("serving {models} to {count} now").format(models=models, count=running)
    return _("serving {models}").format(models=models)


def _cards(snapshot: Snapshot) -> str:
    cards = [c for c in snapshot.cards() if c.vendor != "cpu"]
    if not cards:
        return _("no accelerators, the processor computes")
    good = sum(1 for c in cards if c.word.style == "ok")
    return _("{good} of {total} cards OK").format(good=good, total=len(cards))


def _hottest(snapshot: Snapshot, glyphs: Glyphs) -> str:
    warm = [
        (c.reading.temp_c, c)
        for c in snapshot.cards()
        if c.reading and c.reading.temp_c is not None and not c.stale
    ]
    if not warm:
        return ""
    temp, card = max(warm, key=lambda pair: pair[0])
    if card.vendor == "cpu":
        return _("processor at {temp}").format(temp=temperature(temp, glyphs))
    return _("hottest: {card}, {temp}").format(card=card.title, temp=temperature(temp, glyphs))


def notices(snapshot: Snapshot) -> list[Notice]:
    """What is wrong now: the daemon, deployments, problems of the inventory, cards."""
    if snapshot.starting:
        return []
    if snapshot.down_s is not None:
        return [_daemon_down(snapshot)]
    found = [n for d in snapshot.deployments if (n := _of_deployment(d))]
    problems = snapshot.inventory.problems if snapshot.inventory else []
    labels = {row.id: row.title for row in snapshot.cards()}
    found += [_of_problem(problem, labels) for problem in problems]
    told = {problem.card for problem in problems}
    found += [n for c in snapshot.cards() if c.id not in told and (n := _of_card(c))]
    return sorted(found, key=lambda notice: severity_rank(notice.severity))


def _daemon_down(snapshot: Snapshot) -> Notice:
    error = snapshot.error
    return Notice(
        "fail",
        "DAEMON-DOWN",
        "daemon",
        str(error) if error else _("the daemon does not answer"),
        _("engines that were serving go on without it; D starts the daemon"),
    )


def _of_deployment(deployment: DeploymentStatus) -> Notice | None:
    if deployment.state in SERVING or deployment.state in ("starting", "stopped"):
        return None
    severity = "warn" if deployment.state == "degraded" else "fail"
    state = REPLICA_STATES.get(deployment.state, UNKNOWN).text
    text = deployment.reason or _("{model}: {state}").format(model=deployment.id, state=state)
    return Notice(severity, "WISH-UNMET", deployment.id, text, _("l shows the engine's log"))


def _of_problem(problem: Problem, labels: dict[str, str]) -> Notice:
    subject = labels.get(problem.card or "", problem.card or "")
    return Notice(problem.severity, problem.code, subject, problem.text, problem.advice)


def _of_card(card: CardRow) -> Notice | None:
    reading = card.reading
    if card.state in ("lost", "no_answer", "no_driver", "degraded"):
        code = {"degraded": "HEALTH-WORD"}.get(card.state, f"CARD-{card.state.upper()}")
        severity = "warn" if card.state == "degraded" else "fail"
        return Notice(severity, code.replace("_", "-"), card.title, str(card.word.text))
    if card.stale:
        text = _("no new readings for {time}").format(time=duration(card.age_s))
        return Notice("unknown", "CARD-NO-ANSWER", card.title, text)
    if reading is None:
        return None
    if reading.health in ("warning", "critical"):
        severity = "fail" if reading.health == "critical" else "warn"
        text = _("the driver says: {word}").format(word=reading.health)
        return Notice(severity, "HEALTH-WORD", card.title, text)
    if reading.throttle:
        text = _("slowed down by: {causes}").format(causes=slowed_by(reading.throttle))
        code = "THROTTLE-POWER" if reading.throttle == ["power"] else "THROTTLE-THERMAL"
        return Notice("warn", code, card.title, text)
    return None
