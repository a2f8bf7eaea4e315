"""The main job: detect, plan, fetch, serve, prove."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from appliance.catalog.models import load_catalogue
from appliance.core.errors import ApplianceError, Interrupted, UsageError
from appliance.core.holds import without_held
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.plan import Choice, Plan, Wish
from appliance.core.progress import Cancel
from appliance.core.reference import CatalogReference, IndexReference, Reference, parse_reference
from appliance.core.sample import Sample
from appliance.core.status import SERVING, DeploymentStatus, Note, Seconds, Up
from appliance.ops.copies import choice_at
from appliance.ops.deployment import Deployment, deployment_of
from appliance.ops.events import Emit, Notice, Phase, PhaseName
from appliance.ops.hubs import Reach, hub_within_reach
from appliance.ops.mixed import Beside, able_beside, beside
from appliance.ops.picks import PICKS, picked
from appliance.ops.planning import (
    DEFAULT_USERS,
    Ground,
    ground_of,
    make_plan,
    stored_model,
)
from appliance.ops.proof import prove
from appliance.ops.refusals import instead_of_the_processor, nothing_fits
from appliance.ops.replanning import with_less_memory
from appliance.ops.services import Request, Services
from appliance.ops.sources import from_source, hubs_of
from appliance.ops.store import fetch_options, judge_disks, open_store
from appliance.ops.tuning import tuned
from appliance.ops.usable import HOLDING, every_card_is_held, free_inventory
from appliance.supervisor.canary import wrong
from appliance.supervisor.diagnosis import way_out_of
from appliance.weights.origin import may_have_changed
from appliance.weights.pull import pull, request_for
from appliance.weights.store import StoredModel

_PROOF_S = 20.0
_SECOND_RUN_PROOF_S = 1.0
_HUB_PATIENCE_S = 4.5
_NETWORK_PATIENCE_S = 3600.0
"""For a network that goes away while weights come: a script that asked has to end one day."""


class MainJob:
    """One run of `up`. Nothing is kept in here that a crash could lose."""

    def __init__(self, services: Services, request: Request, emit: Emit, cancel: Cancel) -> None:
        self._services = services
        self._request = request
        self._emit = emit
        self._cancel = cancel
        self._pick = request.model if request.model in PICKS else None
        self._named = None if self._pick else request.model
        self._model = self._named
        self._seconds: dict[str, float] = {}
        self._notes: list[Note] = []

    def run(self) -> Up:
        """Do whatever of the job is not done yet. Raises `ApplianceError`s."""
        self._check_request()
        serving = self._already_serving()
        if serving:
            self._note_self_test(serving.model)
            self._note_file_changed(serving)
            if self._request.adapt:
                self._services.let_adapt(serving.id)
            return self._with_others(self._finish(serving, proof_s=_SECOND_RUN_PROOF_S))
        self._model = self._named or self._running_model()
        with self._phase("detect", say("looking at this server")):
            free = self._free_inventory()
            ground = ground_of(free, self._services.paths, sample=self._beside_ours())
        with self._phase("plan", say("choosing what to serve")):
            plan = self._plan(ground)
        with self._phase("fetch", say("fetching the model")):
            choice, stored = self._fetch(plan, ground)
        return self._with_others(self._serve(self._deployment(choice, stored, ground)))

    def _serve(self, deployment: Deployment) -> Up:
        """Start it; where it lacks memory and that is allowed, something smaller."""
        try:
            return self._start(deployment)
        except ApplianceError as error:
            smaller = self._smaller(deployment, error)
            if smaller is None:
                raise
            text = say(
                "{error}: trying {variant} for {users} users with {context} tokens each",
                error=error.what,
                variant=smaller.variant,
                users=smaller.slots * smaller.replicas,
                context=smaller.context,
            )
            self._note("ADAPTED", text)
        return self._serve(smaller)

    def _smaller(self, deployment: Deployment, error: ApplianceError) -> Deployment | None:
        if not self._request.adapt or way_out_of(error.code) != "smaller":
            return None
        ways = with_less_memory(deployment, self._free_inventory(), self._services.paths)
        return next((way.work for way in ways), None)

    def _start(self, deployment: Deployment) -> Up:
        """Start it and prove it; what cannot answer does not stay."""
        self._cancel.check()
        self._services.endpoint()
        with self._on_trial(deployment):
            with self._phase("load", say("loading {model}", model=deployment.variant)):
                self._services.await_ready(deployment.id, self._cancel)
            return self._finish(self._status_of(deployment.id), proof_s=_PROOF_S)

    @contextmanager
    def _on_trial(self, deployment: Deployment) -> Iterator[None]:
        before = self._services.deploy(deployment)
        try:
            yield
        except BaseException:
            self._services.withdraw(deployment.id, before)
            raise

    def _check_request(self) -> None:
        if self._named:
            parse_reference(self._named)
        for name, value in (("--users", self._request.users), ("--context", self._request.context)):
            if value is not None and value < 1:
                raise UsageError(
                    say("{name} must be at least 1, not {value}", name=name, value=value)
                )

    def _already_serving(self) -> DeploymentStatus | None:
        """What meets the wish; one beside a first only while that one is not to be mended."""
        statuses = self._services.statuses()
        failed = {status.id for status in statuses if status.state == "failed"}
        found = [
            status
            for status in statuses
            if status.state in SERVING and self._meets_request(status)
            if status.served_as not in failed
        ]
        return min(found, key=lambda status: status.served_as is not None, default=None)

    def _meets_request(self, status: DeploymentStatus) -> bool:
        wanted = self._request
        named = self._named in (None, status.id, status.model, status.variant)
        roomy = wanted.context is None or (status.context or 0) >= wanted.context
        return named and roomy and (wanted.users is None or (status.slots or 0) >= wanted.users)

    def _running(self) -> list[DeploymentStatus]:
        return [s for s in self._services.statuses() if s.state in HOLDING]

    def _running_model(self) -> str | None:
        """Who asks for more without a name means what is there."""
        return next((status.model for status in self._running()), None)

    def _free_inventory(self) -> Inventory:
        free = free_inventory(self._services.inventory(), self._running(), self._model)
        usable = without_held(free, self._services.paths)
        if free.accelerators() and not usable.accelerators() and not self._request.allow_cpu:
            raise every_card_is_held(free)
        return usable

    def _beside_ours(self) -> Sample:
        """The cards that no engine of ours is on, with what others use of them."""
        ours = {card for s in self._running() for replica in s.replicas for card in replica.cards}
        sample = self._services.sample(processes=True)
        cards = [card for card in sample.cards if card.id not in ours]
        return msgspec.structs.replace(sample, cards=cards)

    def _plan(self, ground: Ground) -> Plan:
        reference = self._reference()
        if reference and self._comes_first(reference, ground):
            self._pull(reference, ground)
            ground = ground_of(ground.inventory, self._services.paths, sample=self._beside_ours())
        wish = Wish(
            model=self._model,
            users=self._request.users or DEFAULT_USERS,
            context=self._request.context,
            style=self._request.style,
        )
        return make_plan(wish, ground)

    def _comes_first(self, reference: Reference, ground: Ground) -> bool:
        """Whether it is fetched before the plan: an index tells nothing of a model before it is
        here, and a file on the disk is meant as it is now.
        """
        stored = stored_model(reference, ground)
        if isinstance(reference, IndexReference):
            return stored is None
        return stored is not None and may_have_changed(stored)

    def _reference(self) -> Reference | None:
        return parse_reference(self._model) if self._model else None

    def _fetch(self, plan: Plan, ground: Ground) -> tuple[Choice, StoredModel]:
        choices = [c for c in plan.choices if c.fits and ground.startable(c.recipe)]
        if not choices:
            raise nothing_fits(plan, self._model)
        choice = self._chosen(choices, ground)
        self._consent_to_cpu(choice, ground)
        return choice, self._stored(choice, ground)

    def _chosen(self, choices: Sequence[Choice], ground: Ground) -> Choice:
        """The best choice that is here or can be fetched; the self-test model when none is."""
        reference = self._reference()
        best = picked(choices, self._pick)
        if reference and not _leaves_choice(reference):
            return best
        choices = [best, *(choice for choice in choices if choice is not best)]
        if ":" in self._request.source:
            return choice_at(self._request.source, choices, ground.catalogue) or best
        reach = self._reach(choices, ground)
        if reference or reach.choice:
            return reach.choice or best
        return self._self_test(reach, ground)

    def _reach(self, choices: Sequence[Choice], ground: Ground) -> Reach:
        return hub_within_reach(
            choices,
            ground.catalogue,
            {model.id for model in ground.stored},
            hubs_of(self._request.source, ground.hubs),
            patience_s=_HUB_PATIENCE_S,
        )

    def _self_test(self, reach: Reach, ground: Ground) -> Choice:
        why = (
            say("the hub does not have what fits this server ({why})", why=reach.why)
            if reach.reached
            else say("no model hub is within reach ({why})", why=reach.why)
        )
        self._note(
            "NO-HUB",
            say(
                "{why}: serving the self-test model, which proves this server but is not "
                "DeepSeek. To serve DeepSeek, bring weights on a disk: "
                "appliance up --model file:/path/to/model.gguf",
                why=why,
            ),
        )
        wish = Wish(model=ground.catalogue.self_test[1].id, users=DEFAULT_USERS)
        plan = make_plan(wish, ground)
        usable = [c for c in plan.choices if c.fits and ground.startable(c.recipe)]
        if not usable:
            raise nothing_fits(plan, wish.model)
        return usable[0]

    def _consent_to_cpu(self, choice: Choice, ground: Ground) -> None:
        cards = ground.inventory.accelerators()
        if not cards or choice.cards != ["cpu"]:
            return
        text = say(
            "this server has {count} accelerator(s) ({vendors}), but this appliance has no engine "
            "that it can start on them: {model} would run on the processor, many times slower",
            count=len(cards),
            vendors=", ".join(sorted({card.vendor for card in cards})),
            model=choice.variant,
        )
        if not self._request.allow_cpu:
            raise ApplianceError(
                text,
                hint=instead_of_the_processor(ground),
                code="ENGINE-ON-CPU",
            )
        self._note("ENGINE-ON-CPU", text)

    def _stored(self, choice: Choice, ground: Ground) -> StoredModel:
        reference = parse_reference(choice.variant)
        return stored_model(reference, ground) or self._pull(reference, ground)

    def _pull(self, reference: Reference, ground: Ground) -> StoredModel:
        wanted = request_for(reference, ground.catalogue)
        request = from_source(wanted, self._request.source, ground.hubs)
        paths = self._services.paths
        store = open_store(paths)
        judge_disks(request, paths)
        pull(
            request,
            store,
            on_progress=self._emit,
            cancel=self._cancel,
            options=fetch_options(paths, patience_s=_NETWORK_PATIENCE_S),
        )
        stored = store.find(request.model)
        if stored is None:
            raise ApplianceError(
                say("{model} is gone from the store", model=request.model),
                hint=say("run the same command again"),
                code="STORE-MISSING",
            )
        return stored

    def _deployment(self, choice: Choice, stored: StoredModel, ground: Ground) -> Deployment:
        self._note_self_test(choice.model)
        plain = deployment_of(choice, str(stored.entry), ground.catalogue)
        deployment = msgspec.structs.replace(plain, adapt=self._request.adapt)
        apart = self._named_apart(deployment)
        return tuned(apart, ground.inventory, self._services.paths)

    def _named_apart(self, deployment: Deployment) -> Deployment:
        """Two files of one name in different directories are two models."""
        named = [s for s in self._services.statuses() if s.id == deployment.id]
        if all(status.model == deployment.model for status in named):
            return deployment
        mark = hashlib.sha256(deployment.model.encode()).hexdigest()[:6]
        return msgspec.structs.replace(deployment, id=f"{deployment.id}-{mark}")

    def _note_self_test(self, model: str) -> None:
        """Whoever has the self-test model is told each time that it is not DeepSeek."""
        is_it = model == load_catalogue().self_test[0].id
        if is_it and not any(note.code == "NO-HUB" for note in self._notes):
            self._note(
                "SELF-TEST",
                say(
                    "this is the self-test model: it proves the server, it is not DeepSeek; "
                    "with a hub in reach, `appliance up --model ID` serves one that is"
                ),
            )

    def _note_file_changed(self, serving: DeploymentStatus) -> None:
        stored = open_store(self._services.paths).find(serving.variant)
        if stored and may_have_changed(stored):
            text = say(
                "{model} was written to since it was loaded, and is served as it was then: "
                "`appliance down {id}`, then the same command serves it as it is now",
                model=serving.variant,
                id=serving.id,
            )
            self._note("FILE-CHANGED", text)

    def _status_of(self, deployment_id: str) -> DeploymentStatus:
        found = [s for s in self._services.statuses() if s.id == deployment_id]
        if not found:
            raise ApplianceError(
                say("{model} was stopped while it started", model=deployment_id),
                hint=say("run `appliance up` again"),
            )
        return found[0]

    def _finish(self, status: DeploymentStatus, *, proof_s: float) -> Up:
        with self._phase("prove", say("asking {model} a question", model=status.name)):
            proof = prove(
                self._services.paths.gateway_socket,
                status.name,
                limit_s=proof_s,
                cancel=self._cancel,
            )
        self._note_doubt(status.name, proof.answer)
        cards = [card for replica in status.replicas for card in replica.cards]
        return Up(
            deployment=status.name,
            model=status.model,
            variant=status.variant,
            engine=status.engine,
            cards=cards,
            endpoint=self._services.endpoint(),
            key=self._services.first_key(self._request.key_name),
            proof=proof,
            seconds=self._took(),
            notes=self._notes,
        )

    def _note_doubt(self, name: str, answer: str) -> None:
        """No model that is served to people has to know it, but whoever brought the file should."""
        if fault := wrong(answer, None, known_good=True):
            text = say(
                "{fault}. If {model} is a model for chat, its file is damaged or the engine "
                "computes wrongly: compare the file's SHA-256 with what its maker published",
                fault=fault,
                model=name,
            )
            self._note("ENGINE-WRONG-ANSWER", text)

    def _took(self) -> Seconds:
        return Seconds(**{k: v for k, v in self._seconds.items() if k != "prove"})

    # -- cards of other kinds ----------------------------------------------------------------

    def _with_others(self, up: Up) -> Up:
        """Free cards of other kinds serve the same model under the same name, where they can.

        What goes wrong there is told, and leaves what serves already alone.
        """
        first = self._status_of(up.deployment)
        for place in self._places_beside(first):
            try:
                self._serve_beside(place, first)
            except Interrupted:
                raise
            except ApplianceError as error:
                text = say("the {cards} do not serve {model}, too: {why}",
                           cards=place.cards, model=first.name, why=str(error))  # fmt: skip
                self._note("MIXED-CARDS", text)
        return msgspec.structs.replace(up, seconds=self._took(), notes=self._notes)

    def _places_beside(self, first: DeploymentStatus) -> list[Beside]:
        asked, served = self._reference(), parse_reference(first.variant)
        open_to_others = isinstance(served, CatalogReference) and (
            asked is None or isinstance(asked, CatalogReference)
        )
        if not open_to_others or first.model == load_catalogue().self_test[0].id:
            return []
        exactly = first.variant if asked and not _leaves_choice(asked) else None
        known = self._services.inventory()
        usable = without_held(known, self._services.paths)
        return beside(first, self._services.statuses(), known, usable, exactly)

    def _serve_beside(self, place: Beside, first: DeploymentStatus) -> None:
        ground = ground_of(place.inventory, self._services.paths, sample=self._beside_ours())
        wish = Wish(
            model=place.model,
            users=self._request.users or DEFAULT_USERS,
            context=first.context,
            style=self._request.style,
        )
        choices = able_beside(make_plan(wish, ground).choices, first, ground)
        choice = self._obtainable(choices, ground)
        if choice is None:
            return
        with self._phase("fetch", say("fetching the model for the {cards}", cards=place.cards)):
            stored = self._stored(choice, ground)
        plain = self._deployment(choice, stored, ground)
        self._try_beside(msgspec.structs.replace(plain, id=place.id, served_as=first.name))
        text = say("the {cards} serve {model}, too: {variant} by {engine}",
                   cards=place.cards, model=first.name, variant=choice.variant,
                   engine=choice.engine)  # fmt: skip
        self._note("MIXED-CARDS", text)

    def _obtainable(self, choices: Sequence[Choice], ground: Ground) -> Choice | None:
        """The first choice that is here or can be fetched."""
        if not choices or stored_model(parse_reference(choices[0].variant), ground):
            return next(iter(choices), None)
        if ":" in self._request.source:
            return choice_at(self._request.source, choices, ground.catalogue)
        return self._reach(choices, ground).choice

    def _try_beside(self, deployment: Deployment) -> None:
        """Start it and ask this very engine: under its name another might answer."""
        with self._on_trial(deployment):
            with self._phase("load", say("loading {model}", model=deployment.variant)):
                self._services.await_ready(deployment.id, self._cancel)
            with self._phase("prove", say("asking {model} a question", model=deployment.id)):
                ports = [r.port for r in self._status_of(deployment.id).replicas if r.port]
                for port in ports:
                    prove(port, deployment.name, limit_s=_PROOF_S, cancel=self._cancel)

    def _note(self, code: str, text: object) -> None:
        note = Note(code=code, text=str(text))
        self._notes.append(note)
        self._emit(Notice(note=note))

    @contextmanager
    def _phase(self, name: PhaseName, text: object) -> Iterator[None]:
        self._cancel.check()
        self._emit(Phase(phase=name, done=False, text=str(text)))
        started = time.monotonic()
        yield
        took_s = self._seconds.get(name, 0.0) + time.monotonic() - started
        self._seconds[name] = round(took_s, 3)
        self._emit(Phase(phase=name, done=True, text=str(text)))


def _leaves_choice(reference: Reference) -> bool:
    """Whether a family was named, not one of its variants."""
    return isinstance(reference, CatalogReference) and reference.quant is None
