"""Measuring a handful of settings of a deployment on this very box, and keeping the best."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from appliance.core.errors import ApplianceError, Interrupted
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.measurement import Measurement, load_measurements, save_measurement
from appliance.core.paths import Paths
from appliance.core.progress import Cancel
from appliance.core.tune import Goal, Trial, Tune, broken_off
from appliance.engines.tuning import Knob, knobs
from appliance.ops.crowd import Heard, listen
from appliance.ops.deployment import Deployment
from appliance.ops.headroom import stays_within
from appliance.ops.planning import ground_of

log = logging.getLogger(__name__)
_WINDOW_S = 8.0
_CLEARLY_BETTER = 1.03
"""Less than this is what two measurements of the same setting differ by."""
_CONFIRMING = 2
_SETTINGS = ("threads", "ubatch", "kv_type")


class Services(Protocol):
    """What tuning needs of whoever keeps engines running."""

    paths: Paths

    def inventory(self) -> Inventory: ...  # noqa: D102

    def deploy(self, deployment: Deployment) -> Deployment | None: ...  # noqa: D102

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None: ...  # noqa: D102

    def load_seconds(self, deployment_id: str) -> float | None:
        """How long it last took from the start to the first answer; `None` where nobody saw."""
        ...

    def on_trial(self, before: Deployment | None) -> None:
        """Remember what to go back to should we die; `None` when the trials are over."""
        ...


class TuneJob:
    """One run of `tune`: one setting after the other, the best of each carried on to the next."""

    def __init__(
        self,
        services: Services,
        deployment: Deployment,
        *,
        goal: Goal,
        users: int | None,
        limit_s: float,
        tell: Callable[[Trial], None],
        cancel: Cancel,
    ) -> None:
        self._services = services
        self._before = deployment
        self._goal: Goal = goal
        self._users = users or max(1, deployment.slots * deployment.replicas)
        self._limit_s = limit_s
        self._tell = tell
        self._cancel = cancel
        self._trials: list[Trial] = []
        self._started = time.monotonic()
        self._load_s = services.load_seconds(deployment.id)
        self._ground = ground_of(services.inventory(), services.paths)

    def run(self) -> Tune:
        """Measure, keep the best and serve with it; when cut short, serve as before.

        Raises `Interrupted`, `ApplianceError` (`TUNE-FAILED`) where it does not answer as it is.
        """
        try:
            return self._run()
        except Interrupted:
            raise broken_off() from None

    def _run(self) -> Tune:
        self._services.on_trial(self._before)
        best = self._before
        try:
            best = self._search()
        finally:
            self._services.deploy(best)
            self._services.on_trial(None)
        self._services.await_ready(best.id, self._cancel)
        return Tune(
            deployment=best.id,
            variant=best.variant,
            goal=self._goal,
            users=self._users,
            trials=self._trials,
            kept=settings_of(best),
            changed=best != self._before,
            seconds=round(time.monotonic() - self._started, 1),
            load_s=self._load_s,
        )

    def _search(self) -> Deployment:
        best, trial = self._before, self._try(self._before)
        if trial.fault:
            raise ApplianceError(
                say("{id} could not be measured: {why}", id=best.id, why=trial.fault),
                hint=say("see `appliance status` and `appliance logs {id}`", id=best.id),
                code="TUNE-FAILED",
            )
        for knob in knobs(best.engine, on_cpu=best.cards == ["cpu"]):
            for candidate in self._candidates(knob, best):
                if not self._time_for(1 + _CONFIRMING):
                    break
                result = self._try(candidate)
                if self._score(result) > self._score(trial) * _CLEARLY_BETTER:
                    best, trial = candidate, result
        if best != self._before:
            in_time = self._time_for(_CONFIRMING)
            best, trial = self._confirmed(best) if in_time else (self._before, self._trials[0])
        self._remember(best, trial)
        return best

    def _confirmed(self, best: Deployment) -> tuple[Deployment, Trial]:
        """Once more against what it was: a lucky moment must not change how people are served."""
        again, trial = self._try(self._before), self._try(best)
        if self._score(trial) > self._score(again) * _CLEARLY_BETTER:
            return best, trial
        return self._before, again

    def _candidates(self, knob: Knob, best: Deployment) -> Iterator[Deployment]:
        for value in knob.trials(getattr(best, knob.setting)):
            candidate = msgspec.structs.replace(best, **{knob.setting: value})
            if stays_within(candidate, self._before, self._ground):
                yield candidate

    def _time_for(self, trials: int) -> bool:
        """Whether so many more, and the load that ends it all, are done in time."""
        self._cancel.check()
        load_s = self._load_s or 0.0
        longest = max(t.seconds for t in self._trials)
        if len(self._trials) == 1:
            longest += load_s  # what runs already was not loaded for its trial
        return time.monotonic() - self._started + trials * longest + load_s < self._limit_s

    def _try(self, candidate: Deployment) -> Trial:
        began = time.monotonic()
        trial = Trial(settings=settings_of(candidate), seconds=0.0)
        try:
            trial = self._measured(candidate, trial)
        except Interrupted:
            raise
        except ApplianceError as error:
            trial = msgspec.structs.replace(trial, fault=str(error))
        trial = msgspec.structs.replace(trial, seconds=round(time.monotonic() - began, 1))
        self._trials.append(trial)
        self._tell(trial)
        return trial

    def _measured(self, candidate: Deployment, trial: Trial) -> Trial:
        self._services.deploy(candidate)
        self._services.await_ready(candidate.id, self._cancel)
        alone = self._listen(1)
        crowd = self._listen(self._users) if self._users > 1 else alone
        return msgspec.structs.replace(
            trial,
            decode_tps_one=round(alone.tokens_per_s, 2),
            decode_tps_all=round(crowd.tokens_per_s, 2),
            first_token_s=round(crowd.first_token_s, 3),
        )

    def _listen(self, users: int) -> Heard:
        return listen(
            self._services.paths.gateway_socket,
            self._before.name,
            users=users,
            window_s=_WINDOW_S,
            cancel=self._cancel,
        )

    def _score(self, trial: Trial) -> float:
        if trial.fault or not trial.first_token_s:
            return 0.0
        if self._goal == "first-token":
            return 1 / trial.first_token_s
        return trial.decode_tps_all or 0.0

    def _remember(self, best: Deployment, trial: Trial) -> None:
        """Keep the figures and the settings: the next `up` of the same thing begins with them."""
        measurement = Measurement(
            variant=best.variant,
            engine=best.engine,
            recipe=best.recipe,
            cards=_names(best, self._ground.inventory),
            context=best.context,
            slots=best.slots,
            users=self._users,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            decode_tps_one=trial.decode_tps_one,
            decode_tps_all=trial.decode_tps_all,
            first_token_s=trial.first_token_s,
            settings=trial.settings,
        )
        try:
            save_measurement(self._services.paths, measurement)
        except OSError as error:
            log.warning("the measurement is not kept: %s", error)


def settings_of(work: Deployment) -> dict[str, str]:
    """What `tune` may turn, as it is; what the engine chooses by itself is left out."""
    values = {name: getattr(work, name) for name in _SETTINGS}
    return {name: str(value) for name, value in values.items() if value is not None}


def tuned(work: Deployment, inventory: Inventory, paths: Paths) -> Deployment:
    """`work` with the settings that were best when the same thing was measured here."""
    names = _names(work, inventory)
    for measured in reversed(load_measurements(paths)):
        same = (measured.variant, measured.recipe, measured.context, measured.slots)
        if same == (work.variant, work.recipe, work.context, work.slots) and (
            measured.cards == names
        ):
            kept = {k: v for k, v in measured.settings.items() if k in _SETTINGS}
            return msgspec.convert({**msgspec.to_builtins(work), **kept}, Deployment, strict=False)
    return work


def _names(work: Deployment, inventory: Inventory) -> list[str]:
    """The names of its cards: what one card gave holds for another of its kind."""
    found = [inventory.card(card_id) for card_id in work.cards]
    return sorted((card.name if card else None) or card_id
                  for card, card_id in zip(found, work.cards, strict=True))  # fmt: skip
