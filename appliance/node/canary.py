"""The canary of a replica: asked when it starts and every night, in a thread of its own."""

from __future__ import annotations

import hashlib
import logging
import threading
from datetime import datetime, time, timedelta
from pathlib import Path

import msgspec

from appliance.core.documents import from_json
from appliance.core.errors import ApplianceError, VerificationFailed
from appliance.core.i18n import Text, say
from appliance.core.paths import Paths
from appliance.node.restarts import Fingerprint, fingerprint
from appliance.node.state import State, now
from appliance.ops.deployment import Deployment
from appliance.supervisor import canary
from appliance.weights.store import Store, StoredModel

log = logging.getLogger(__name__)
NIGHT = time(3, 0)
_SUSPECTED_EVERY = timedelta(hours=1)


class Canary:
    """One replica's canary. `clock` tells the local time."""

    def __init__(
        self, work: Deployment, state: State, paths: Paths, *, clock: type[datetime] = datetime
    ) -> None:
        self._work = work
        self._paths = paths
        self._state = state
        self._clock = clock
        self._asked: datetime | None = None
        self._asking: threading.Thread | None = None
        self._fault: Text | None = None
        self._files: Fingerprint = ()
        self.suspected = False
        """Whether its last answer was wrong."""

    def due(self) -> bool:
        """Whether it should be asked: for the first time, this night, or under suspicion."""
        at = self._clock.now()
        if self._asked is None:
            return True
        if self.suspected:
            return at - self._asked >= _SUSPECTED_EVERY
        night = datetime.combine(at.date(), NIGHT)
        return self._asked < night <= at

    def started_afresh(self) -> None:
        """The engine has read its file again: what it said before proves nothing of it now."""
        self._asked = self._asked if self.suspected else None

    def begin(self, port: int) -> None:
        """Ask the engine at `port`, unless that is going on."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._note, args=(port,), daemon=True)
            self._asking.start()

    @property
    def cleared(self) -> bool:
        """Whether it was asked, and its last answer was right."""
        asking = self._asking is not None and self._asking.is_alive()
        return self._asked is not None and not self.suspected and not asking

    @property
    def file_changed(self) -> bool:
        """Whether the model's files are others than those of a wrong answer."""
        files = fingerprint(Path(self._work.model_path)) if self.suspected else ()
        return bool(files) and files != self._files

    def take_fault(self) -> Text | None:
        """What was wrong with an answer since the last call."""
        fault, self._fault = self._fault, None
        return fault

    def _note(self, port: int) -> None:
        self._fault = self.ask(port)

    def ask(self, port: int) -> Text | None:
        """What is wrong with its answer, twice in a row; `None` when nothing is, or is known.

        An engine that gives no answer is found by other means, and stays under suspicion.
        """
        self._asked = self._clock.now()
        files = fingerprint(Path(self._work.model_path))
        fault = None
        for _try in range(2):
            answer = canary.ask(port, self._work.name)
            if answer is None:
                return None
            fault = self._fault_in(answer)
            if fault is None:
                break
        self.suspected = fault is not None
        self._files = files if fault else ()
        return fault

    def _fault_in(self, answer: str) -> Text | None:
        reference = self._reference()
        known_good = self._work.family is not None and not self._work.self_test
        fault = canary.wrong(answer, reference, known_good=known_good)
        if fault is None and reference is None:
            self._keep(canary.Reference(answer=answer, at=now()))
        return fault

    @property
    def _key(self) -> str:
        """Another file under the same name has its own reference."""
        work, stored = self._work, _stored(self._work, self._paths)
        hashes = " ".join(file.sha256 for file in stored.files) if stored else ""
        mark = hashlib.sha256(hashes.encode()).hexdigest()[:12]
        return f"canary {work.variant} {mark} {work.recipe} {work.kv_type}"

    def _reference(self) -> canary.Reference | None:
        raw = self._state.setting(self._key)
        return from_json(raw, canary.Reference) if raw else None

    def _keep(self, reference: canary.Reference) -> None:
        try:
            self._state.set_setting(self._key, msgspec.json.encode(reference).decode())
        except ApplianceError as error:  # a full disk: the next answer is the first that is kept
            log.warning("no reference of %s is kept: %s", self._work.id, error)


def culprit(work: Deployment, cards: list[str], paths: Paths) -> Text:
    """Whether the file or the card is to blame: the file is read again and held to its hash.

    May take minutes; a model that no store keeps cannot be told apart from its card.
    """
    store, stored = Store(paths.models), _stored(work, paths)
    if stored is None:
        return say("card {cards} or the model file is to blame", cards=", ".join(cards))
    try:
        store.verify(stored.id)
    except VerificationFailed as error:
        return say(
            "its file is damaged ({why}): `appliance models pull {model}` fetches what is bad",
            why=error.what,
            model=stored.id,
        )
    except ApplianceError as error:
        return say("its file could not be checked: {why}", why=error.what)
    return say(
        "its file is whole, so {cards} computes wrongly: take it out with `appliance cards hold`",
        cards=", ".join(cards),
    )


def _stored(work: Deployment, paths: Paths) -> StoredModel | None:
    """The model of the store that a deployment serves."""
    entry = Path(work.model_path)
    return next((m for m in Store(paths.models).models() if Path(m.entry) == entry), None)
